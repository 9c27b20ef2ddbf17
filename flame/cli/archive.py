"""Commands that exchange images with a DICOM archive."""

import signal
import threading
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flame.cli.console import app, bars, out
from flame.core.errors import BadInput

if TYPE_CHECKING:
    from flame.io.archive.listener import Tls

Folder = Annotated[Path, typer.Argument(metavar="DICOM", help="Folder of complete studies.")]
Title = Annotated[str, typer.Option(help="AE title of this node, at most 16 characters.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of this node.")]
Host = Annotated[str, typer.Option(help="Address to listen at; default: all of this machine.")]
Free = Annotated[float, typer.Option(min=0, help="GB that stay free on the disk.")]
Pem = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="PEM file; TLS needs all three of its kind."),
]


@app.command()
def receive(
    folder: Folder,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Sender that may send, TITLE or TITLE@HOST; can be repeated."),
    ] = None,
    title: Title = "FLAME",
    port: Port = 11112,
    host: Host = "",
    quiet: Annotated[
        float, typer.Option(min=0, help="Seconds without an image until a study is complete.")
    ] = 60,
    least_free: Free = 5,
    tls_certificate: Pem = None,
    tls_key: Pem = None,
    tls_authority: Pem = None,
    preprocess: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Preprocess complete studies into this folder."),
    ] = None,
    clinical: Annotated[
        Path | None, typer.Option(help="Table with a column patient_id, for --preprocess.")
    ] = None,
) -> None:
    """Receive studies from an archive or a scanner (C-STORE) until stopped."""
    from flame.io.archive.listener import peer_of
    from flame.pipelines import preprocess as preprocessing
    from flame.pipelines import receive as pipeline
    from flame.preprocessing.config import StageConfig

    config = pipeline.ReceiveConfig(
        folder,
        peer_of(title).title,
        tuple(peer_of(text) for text in allow or []),
        port,
        host,
        quiet,
        least_free,
        _tls(tls_certificate, tls_key, tls_authority),
    )

    def then(studies: Path) -> None:
        table = str(clinical) if clinical else None
        settings = preprocessing.PreprocessConfig(
            str(studies), str(preprocess), StageConfig(), clinical=table
        )
        with bars() as show:
            preprocessing.run(settings, lambda done, total: show("preprocess", done, total))

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    done = pipeline.run(config, _line, stopped, then if preprocess else None)
    _line(f"{done} studies in {folder}")


@app.command()
def retrieve(
    folder: Folder,
    archive: Annotated[str, typer.Option("--from", metavar="TITLE@HOST:PORT", help="The archive.")],
    since: Annotated[str, typer.Option(help="First day of studies, YYYY-MM-DD.")] = "",
    until: Annotated[str, typer.Option(help="Last day of studies, YYYY-MM-DD.")] = "",
    modality: Annotated[str, typer.Option(help="Modality that a study has; empty: any.")] = "MR",
    patients: Annotated[
        Path | None, typer.Option(help="Text file with a PatientID in each line.")
    ] = None,
    description: Annotated[str, typer.Option(help="Pattern of the description, with *.")] = "",
    title: Title = "FLAME",
    port: Port = 11112,
    host: Host = "",
    least_free: Free = 5,
    tls_certificate: Pem = None,
    tls_key: Pem = None,
    tls_authority: Pem = None,
) -> None:
    """Find studies in an archive and have them sent here (C-FIND and C-MOVE)."""
    from flame.io.archive.listener import peer_of
    from flame.io.archive.query import Wanted
    from flame.pipelines import receive as receiving
    from flame.pipelines import retrieve as pipeline

    tls = _tls(tls_certificate, tls_key, tls_authority)
    own = peer_of(title).title
    config = receiving.ReceiveConfig(folder, own, (), port, host, 0, least_free, tls)
    ids = _patients(patients) if patients else ()
    wanted = Wanted(_day(since), _day(until), modality, ids, description)
    with bars() as show:
        found, here = pipeline.run(
            peer_of(archive), wanted, config, _line, lambda n, total: show("studies", n, total)
        )
    _line(f"{found} studies found; {here} in {folder}")


def _line(text: str) -> None:
    out.print(text, soft_wrap=True)


def _day(text: str) -> str:
    """Return a day as DICOM writes it."""
    try:
        return f"{date.fromisoformat(text):%Y%m%d}" if text else ""
    except ValueError:
        raise BadInput(f"'{text}' is no day such as 2026-01-31") from None


def _patients(file: Path) -> tuple[str, ...]:
    """Return the PatientIDs of a file; without one, the archive would send every patient."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BadInput(f"{file} is not in UTF-8: save it so") from None
    ids = tuple(filter(None, map(str.strip, lines)))
    if not ids:
        raise BadInput(f"{file} holds no PatientID: give one in each line")
    wrong = [number for number, name in enumerate(ids, 1) if set(name) & set("*?\\")]
    if wrong:
        raise BadInput(
            f"{file}: PatientID {wrong[0]} has a *, ? or \\, which stands for other patients"
        )
    return ids


def _tls(certificate: Path | None, key: Path | None, authority: Path | None) -> "Tls | None":
    from flame.io.archive.listener import Tls

    if certificate and key and authority:
        return Tls(certificate, key, authority)
    if certificate or key or authority:
        raise BadInput("TLS needs --tls-certificate, --tls-key and --tls-authority together")
    return None
