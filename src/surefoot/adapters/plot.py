"""Pictures of a forecast, drawn with matplotlib (the extra `plot`)."""

# matplotlib's own signatures leave keyword arguments without a type
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import UsageError
from ..service.forecast import Forecast
from ..service.simulate import End, Ended

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_plot", "plot_forecast"]

_COLOURS: Final[Mapping[Ended, str]] = {
    Ended.PROMOTED: "#2a9d8f",
    Ended.ROLLED_BACK: "#d1495b",
    Ended.UNDECIDED: "#b8b8b8",
}
_SUFFIXES: Final = (".png", ".svg", ".pdf")


def check_plot(path: Path) -> None:
    """Say before the work is done what would keep the picture from being drawn. Raises UsageError."""
    if path.suffix not in _SUFFIXES:
        raise UsageError(f"{path} is no picture", hint=f"end the name in {', '.join(_SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: no such folder", hint="name a file in a folder that is there")
    if find_spec("matplotlib") is None:
        raise UsageError(
            "a plot needs matplotlib, which is not installed", hint="pip install 'surefoot[plot]', or leave --plot out"
        )


def plot_forecast(
    forecasts: Sequence[Forecast], ends: Mapping[str, Sequence[End]], path: Path, *, alpha: float
) -> None:
    """
    Two panels: how rollouts ended in each case, and how many users had met the candidate by then.

    Raises UsageError as `check_plot` does, and where the file cannot be written.
    """
    check_plot(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.6 + 0.55 * len(forecasts)), layout="constrained")
    FigureCanvasAgg(figure)
    how, who = figure.subplots(1, 2, sharey=True)
    _draw_ends(how, forecasts, alpha)
    _draw_exposure(who, forecasts, ends)
    try:
        figure.savefig(path, dpi=144)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", hint="name a file in a folder that is there") from error


def _draw_ends(axes: Axes, forecasts: Sequence[Forecast], alpha: float) -> None:
    places = range(len(forecasts))
    left = [0.0] * len(forecasts)
    for end, colour in _COLOURS.items():
        shares = [getattr(row, end.value) / row.rollouts for row in forecasts]
        axes.barh(places, shares, left=left, color=colour, label=end.value.replace("_", " "))
        left = [a + b for a, b in zip(left, shares, strict=True)]
    axes.axvline(1 - alpha, color="#333333", linewidth=0.8, linestyle=":")
    axes.set_yticks(places, [row.case for row in forecasts])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_title("How the rollouts ended", loc="left", fontsize=10)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, frameon=False, fontsize=8)


def _draw_exposure(axes: Axes, forecasts: Sequence[Forecast], ends: Mapping[str, Sequence[End]]) -> None:
    for place, row in enumerate(forecasts):
        exposed = [max(1, end.exposed) for end in ends[row.case] if end.how is Ended.ROLLED_BACK]
        if exposed:
            axes.boxplot(
                exposed,
                positions=[place],
                orientation="horizontal",
                widths=0.5,
                whis=(5, 95),
                showfliers=False,
                manage_ticks=False,
                medianprops={"color": _COLOURS[Ended.ROLLED_BACK], "linewidth": 2},
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda users, _: f"{users:,.0f}")
    axes.set_xlabel("users exposed before the rollback (box: middle half; line: 5 to 95 %)", fontsize=8)
    axes.set_title("What noticing costs", loc="left", fontsize=10)
    axes.grid(axis="x", alpha=0.3)
