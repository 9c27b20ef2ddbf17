"""``flame revoke``: keeps a site out of a federation, or lets it in again."""

from pathlib import Path


def run(kit: Path, site: str, undo: bool = False) -> bool:
    """Revoke a site; the server refuses it from now on.

    Args:
        kit: start-up kit of the admin.
        site: name of the site.
        undo: whether the site is let in again.

    Returns:
        Whether the site was connected.

    Raises:
        BadInput: the folder is no kit of an admin.
        FlameError: the server is not reachable.
    """
    from flame.federation.flare.admin import AdminSession
    from flame.federation.flare.kit import ADMIN, check_kit

    return AdminSession(check_kit(kit, ADMIN), patience_s=0).revoke(site, undo)
