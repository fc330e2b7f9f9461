"""Pages to mail, each one HTML file that asks the network for nothing: pictures are SVG, sounds AAC in data URIs.

They read in light and dark, on a telephone, and on paper: on a narrow screen a table's row becomes a few lines, and
pictures scroll rather than shrink.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab import __version__, plots
from vtlab.errors import InputError
from vtlab.evaluation.show.words import describe_basis, describe_method, summarize_pairing
from vtlab.files import atomic_write, check_kind
from vtlab.metrics import display

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from matplotlib.figure import Figure

FRAME_HEIGHT = 800  # pixels of a page in a notebook


def render_page(template: str, **values: Any) -> str:
    """Return a page.

    Args:
        template: A file in `templates`, without its ending.
        values: What the template shows.
    """
    made = f"vtlab {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return _environment().get_template(f"{template}.html.j2").render(made=made, **values)


def embed_page(page: str) -> str:
    """Return a page as an HTML element for a notebook, whose style neither changes it nor is changed by it."""
    return f'<iframe srcdoc="{escape(page)}" style="width: 100%; height: {FRAME_HEIGHT}px; border: 0"></iframe>'


def write_page(file: Path, page: str) -> None:
    """Write a page; raise `InputError` (`E_REPORT`) where its folder cannot take it."""
    try:
        check_kind(file, "an HTML page", [b"<!doctype html", b"<html"])
        atomic_write(file, page)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written: {error.strerror}. Choose another file.", code="E_REPORT"
        ) from error


class HtmlPage(ABC):
    """Something that a notebook shows as its page, and that can be written to a file to mail."""

    @abstractmethod
    def page(self) -> str:
        """Return the whole as one HTML page."""

    def write(self, file: str | Path) -> None:
        """Write the page; raise `InputError` where the folder cannot take it."""
        write_page(Path(file), self.page())

    def _repr_html_(self) -> str:
        return embed_page(self.page())


def draw(figure: Figure | None) -> Markup:
    """Return a figure as SVG for a template; nothing for `None`."""
    from markupsafe import Markup

    return Markup(plots.svg(figure)) if figure is not None else Markup("")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vtlab.evaluation.show"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.globals.update(
        describe=display.describe,
        format_value=display.format_value,
        format_unit=display.format_unit,
        format_target=display.format_target,
        format_interval=display.format_interval,
        format_number=display.format_number,
        format_p=display.format_p,
        format_verdict=display.format_verdict,
        summarize_pairing=summarize_pairing,
        describe_basis=describe_basis,
        describe_method=describe_method,
    )
    return environment


def _breakable(name: str) -> Markup:
    """Return a name that may be broken into lines after `_`, `,`, `=` and `/`."""
    from markupsafe import Markup
    from markupsafe import escape as escaped

    return Markup(re.sub(r"([_,=/])", r"\1<wbr>", str(escaped(name))))
