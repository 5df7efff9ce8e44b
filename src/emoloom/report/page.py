"""Templates, filled in: every text is escaped, and a name that a template misses is an error."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from emoloom.report.table import figure


def render(template: str, **values: Any) -> str:
    """The template of this name in ``report/templates`` with its values."""
    environment = Environment(
        loader=PackageLoader("emoloom.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    return environment.get_template(template).render(**values)
