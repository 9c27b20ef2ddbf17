"""Fills the templates of pages, which share one layout: styles for screens, phones and paper."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def filled(package: str, template: str, **content: object) -> str:
    """Fill a template, which may extend ``layout.html.j2``.

    Args:
        package: package that holds the template.
        template: file name of the template.
        **content: values of its variables. Text is escaped; markup is not.

    Returns:
        The page as HTML, which refers to no other file.
    """
    loader = ChoiceLoader([PackageLoader(name, ".") for name in (package, "flame.core")])
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=True)
    return environment.get_template(template).render(**content)
