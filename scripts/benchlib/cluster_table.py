"""Pairs, their ratios, and the table of `scripts/bench cluster`."""
import os
import statistics


class Row:
    """One figure beside what is wanted. `reached` is None where nothing is."""

    def __init__(self, line, ours, peer, ratio, wanted, reached):
        self.cells = [line, ours, peer, ratio, wanted,
                      "" if reached is None else "yes" if reached else "**NO**", f"{os.getloadavg()[0]:.1f}"]


def interleaved(settings, sides, note):
    """`sides`: name -> job(pair). The order turns with each pair. Answers name -> results."""
    names = list(sides)
    results = {name: [] for name in names}
    for pair in range(settings.pairs):
        turn = pair % len(names)
        for name in names[turn:] + names[:turn]:
            results[name].append(sides[name](pair))
            note(f"  {pair + 1}/{settings.pairs}: {name}")
    return results


def values(results, field):
    return [result[field] for result in results]


def median(results, field):
    return statistics.median(values(results, field))


def ratio(ours, peer, field, peer_field=None):
    """The median of the pairs' ratios, which the machine's drift does not reach."""
    return statistics.median(a / b for a, b in zip(values(ours, field), values(peer, peer_field or field)))


def ratio_row(line, ours, peer, field, unit, *, at_least=None, at_most=None, peer_field=None, digits=0):
    """Results of ours and of the peer as a row; with neither limit it only shows them."""
    figure = ratio(ours, peer, field, peer_field)
    wanted = f">= {at_least}" if at_least else f"<= {at_most}" if at_most else ""
    reached = figure >= at_least if at_least else figure <= at_most if at_most else None
    return Row(line, f"{median(ours, field):.{digits}f} {unit}", f"{median(peer, peer_field or field):.{digits}f} {unit}",
               f"{figure:.2f}", wanted, reached)


def limit_row(line, figure, unit, *, at_least=None, at_most=None):
    """One figure of ours beside an absolute one; with neither limit it is only shown."""
    wanted = f">= {at_least} {unit}" if at_least else f"<= {at_most} {unit}" if at_most else ""
    reached = figure >= at_least if at_least else figure <= at_most if at_most else None
    return Row(line, f"{figure:.0f} {unit}", "", "", wanted, reached)


def print_table(rows):
    header = ["line", "tlogdisk", "peer", "ratio", "wanted", "reached", "load"]
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row.cells) + " |", flush=True)
