"""Comparisons as people see them: a page in a notebook, pictures, a file to mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vtlab.evaluation.compare.comparison import ComparisonData
from vtlab.evaluation.compare.figures import plot_differences, plot_losses, plot_trade
from vtlab.evaluation.show.pages import HtmlPage, draw, render_page
from vtlab.evaluation.show.words import describe_method
from vtlab.metrics.registry import sort_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Comparison(ComparisonData, HtmlPage):
    """A comparison of systems; a notebook shows it as its page.

    Its fields are those of `ComparisonData`.

    Examples:
        >>> import vtlab
        >>> vtlab.compare("smoke/beam_size=1", "smoke/beam_size=5").write("comparison.html")
    """

    @property
    def method(self) -> str:
        """How intervals and p were computed, in a sentence."""
        return describe_method(self)

    def page(self) -> str:
        """Return the comparison as one HTML page."""
        pictures = {pairing.name: draw(plot_differences(pairing)) for pairing in self.pairings}
        return render_page(
            "comparison",
            found=self,
            pictures={name: picture for name, picture in pictures.items() if picture},
            trade=draw(plot_trade(self)),
            lost=draw(plot_losses(self.losses)),
            names=sort_metrics(name for system in self.systems for name in system.values),
        )

    def plot_differences(self) -> list[Figure]:
        """Draw each system's differences from the baseline."""
        figures = (plot_differences(pairing) for pairing in self.pairings)
        return [figure for figure in figures if figure is not None]

    def plot_trade(self) -> Figure | None:
        """Draw quality against cost; `None` where some system lacks one of them."""
        return plot_trade(self)

    def plot_losses(self) -> Figure | None:
        """Draw the losses per stage; `None` without any."""
        return plot_losses(self.losses)
