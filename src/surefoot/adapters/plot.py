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
_APART: Final = 0.2
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
    Three panels: how rollouts ended in each case; how many users had met the candidate, and how many hours had passed,
    when those that were rolled back were.

    Raises UsageError as `check_plot` does, and where the file cannot be written.
    """
    check_plot(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 1.6 + 0.55 * len(forecasts)), layout="constrained")
    FigureCanvasAgg(figure)
    how, who, when = figure.subplots(1, 3, sharey=True)
    _draw_ends(how, forecasts, alpha)
    _draw_exposure(who, forecasts, ends)
    _draw_duration(when, forecasts, ends)
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
        _draw_box(axes, place, [max(1, end.exposed) for end in _those(ends[row.case], Ended.ROLLED_BACK)])
    axes.set_xlabel("users exposed until the rollback (box: middle half; line: 5 to 95 %; dash: none)", fontsize=8)
    axes.set_title("What noticing costs", loc="left", fontsize=10)
    _scale(axes, ",.0f")


def _draw_duration(axes: Axes, forecasts: Sequence[Forecast], ends: Mapping[str, Sequence[End]]) -> None:
    """Rollbacks in the upper half of a case's row, promotions in the lower."""
    for place, row in enumerate(forecasts):
        for how, shift in ((Ended.ROLLED_BACK, -_APART), (Ended.PROMOTED, _APART)):
            hours = [end.seconds / 3600 for end in _those(ends[row.case], how)]
            _draw_box(axes, place + shift, hours, how=how, width=_APART * 1.6)
    axes.set_xlabel("hours until the rollback (red) and until the promotion (green)", fontsize=8)
    axes.set_title("How long it takes", loc="left", fontsize=10)
    _scale(axes, ",g")


def _those(ends: Sequence[End], how: Ended) -> list[End]:
    return [end for end in ends if end.how is how]


def _draw_box(
    axes: Axes, place: float, values: Sequence[float], *, how: Ended = Ended.ROLLED_BACK, width: float = 0.5
) -> None:
    colour = _COLOURS[how]
    if not values:
        axes.text(0.01, place, "-", transform=axes.get_yaxis_transform(), color=colour, va="center")
        return
    axes.boxplot(
        values,
        positions=[place],
        orientation="horizontal",
        widths=width,
        whis=(5, 95),
        showfliers=False,
        manage_ticks=False,
        boxprops={"color": colour},
        medianprops={"color": colour, "linewidth": 2},
    )


def _scale(axes: Axes, form: str) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:{form}}")
    axes.grid(axis="x", alpha=0.3)
