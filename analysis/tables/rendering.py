"""A table as text for the terminal, Markdown, LaTeX (booktabs) and HTML, from one `Grid`."""

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from analysis.tables.display_names import with_symbols
from analysis.terminal import cut_text, padded, text_width, wrapped

INTERVAL = "95% interval"
"""The name of the columns that a narrow table can do without first."""


@dataclass(frozen=True)
class TableCell:
    """What stands in one place of a table."""

    text: str
    strong: bool = False
    """The best of its kind: bold, or starred where there is no bold."""
    runs: tuple[str, ...] = ()
    """The MLflow runs that a number rests on."""
    title: str = ""
    """A sentence about it, shown on request (HTML only)."""
    mark: str = ""
    """A class of its own, for colour (HTML only)."""
    under: str = ""
    """A second line in small print (HTML); in brackets elsewhere."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What the text rounds, by name: columns of their own in CSV."""


@dataclass(frozen=True)
class TableGrid:
    """A table ready to be printed."""

    header: Sequence[tuple[str, str]]
    """For each column its group, or an empty string, and its name."""
    rows: Sequence[Sequence[TableCell]]
    title: str = ""
    notes: Sequence[str] = ()
    """Sentences on what is shown and how: they belong to the table wherever it stands."""
    remarks: Sequence[str] = ()
    """Sentences on what was found and what may come next: nothing for a caption."""
    numeric: Sequence[bool] = field(default_factory=list)
    """For each column whether it holds numbers, which are set flush right."""
    explained: Mapping[str, str] = field(default_factory=dict)
    """A column's name → the one of `notes` that explains it, and goes where the column goes."""
    advice: Sequence[str] = ()  # names of columns on what may come next: nothing for a paper

    @property
    def names(self) -> list[str]:
        """Each column's group and name as one text."""
        return [f"{group} {name}".strip() for group, name in self.header]

    @property
    def sentences(self) -> list[str]:
        """All that is said below the table."""
        return [*self.notes, *self.remarks]

    @property
    def grouped(self) -> bool:
        """Whether columns have groups."""
        return any(group for group, _ in self.header)

    def right(self, column: int) -> bool:
        """Return whether a column is flush right."""
        return bool(self.numeric) and bool(self.numeric[column])


Link = Callable[[Sequence[str]], str]
"""From run ids to the address that shows them."""


def to_text(grid: TableGrid, *, width: int | None = None) -> str:
    """Return aligned plain text; the best rows are starred.

    Args:
        grid: the table.
        width: cut rows to it and wrap notes, for a terminal; None leaves them whole.
    """
    starred = any(cell.strong for row in grid.rows for cell in row)
    body = [
        ([_star_of(row)] if starred else []) + [plain_line(cell) for cell in row]
        for row in grid.rows
    ]
    lead = [""] if starred else []
    header = lead + [name for _, name in grid.header]
    right = [False] * len(lead) + [grid.right(i) for i in range(len(grid.header))]
    widths = [max(text_width(line[i]) for line in [header, *body]) for i in range(len(header))]
    groups = [(name, count) for name, count in _has_groups(grid)] if grid.grouped else []
    column = len(lead)
    for name, count in groups:  # a group needs room for its name
        taken = sum(widths[column : column + count]) + 2 * (count - 1)
        widths[column + count - 1] += max(0, text_width(name) - taken)
        column += count

    def line(cells: Sequence[str]) -> str:
        parts = (
            padded(cell, size, right=flush)
            for cell, size, flush in zip(cells, widths, right, strict=True)
        )
        return "  ".join(parts).rstrip()

    lines = [grid.title] if grid.title else []
    if groups:
        lines.append(_group_line(groups, widths, len(lead)))
    lines += [line(header), "  ".join("─" * size for size in widths), *map(line, body)]
    if width is not None:
        lines = [cut_text(text, width) for text in lines]
    notes = [wrapped(note.replace("Bold:", "*"), width) for note in grid.sentences]
    return "\n".join([*lines, *notes]) + "\n"


def to_markdown(grid: TableGrid) -> str:
    """Return a GitHub-flavoured Markdown table."""
    rule = ["---:" if grid.right(i) else "---" for i in range(len(grid.header))]
    lines = [f"**{_escape_markdown(grid.title)}**", ""] if grid.title else []
    lines.append(_without_bar(_escape_markdown(name) for name in grid.names))
    lines.append(_without_bar(rule))
    for row in grid.rows:
        texts = (_escape_markdown(plain_line(cell)) for cell in row)
        lines.append(
            _without_bar(
                f"**{text}**" if cell.strong and text else text
                for text, cell in zip(texts, row, strict=True)
            )
        )
    if grid.sentences:
        lines += ["", *(_escape_markdown(note) for note in grid.sentences)]
    return "\n".join(lines) + "\n"


def to_latex(grid: TableGrid, *, label: str = "") -> str:
    r"""Return a LaTeX table in the style of booktabs, with comments of what it needs and remarks.

    Args:
        grid: the table.
        label: for ``\ref``; empty leaves it out.
    """
    columns = "".join("r" if grid.right(i) else "l" for i in range(len(grid.header)))
    lines = [LATEX_NEEDS, *(f"% {_escape_latex(remark)}" for remark in grid.remarks)]
    lines += [r"\begin{table}", r"  \centering"]
    if len(grid.header) > 8:
        lines.append(r"  \footnotesize\setlength{\tabcolsep}{3pt}")
    caption = " ".join(
        _escape_latex(text) for text in [_end_sentence(grid.title), *grid.notes] if text
    )
    if caption:
        lines.append(rf"  \caption{{{caption}}}")
    if label:
        lines.append(rf"  \label{{{label}}}")
    lines += [rf"  \begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"    \toprule"]
    if grid.grouped:
        lines += _latex_groups(grid)
    lines.append("    " + _latex_row(_escape_latex(name) for _, name in grid.header))
    lines.append(r"    \midrule")
    for row in grid.rows:
        cells = (_latex_cell(_escape_latex(plain_line(cell))) for cell in row)
        lines.append(
            "    "
            + _latex_row(
                rf"\textbf{{{text}}}" if cell.strong and text else text
                for text, cell in zip(cells, row, strict=True)
            )
        )
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def to_html(grid: TableGrid, *, link: Link | None = None) -> str:
    """Return a ``<table>`` in its scroll box, its notes below.

    Args:
        grid: the table.
        link: makes a number with `runs` a link to them.
    """
    dense = ' class="dense"' if len(grid.header) > 9 else ""
    parts = [f'<div class="scroll" tabindex="0"><table{dense}>']
    if grid.title:
        parts.append(f"<caption>{html.escape(grid.title)}</caption>")
    parts.append("<thead>")
    if grid.grouped:
        parts.append(
            "<tr>"
            + "".join(
                f'<th colspan="{count}" scope="colgroup"{" class=group" if name else ""}>'
                f"{html.escape(name)}</th>"
                for name, count in _has_groups(grid)
            )
            + "</tr>"
        )
    parts.append(
        "<tr>"
        + "".join(
            f'<th scope="col"{_is_right(grid, i)}>{html.escape(name)}</th>'
            for i, (_, name) in enumerate(grid.header)
        )
        + "</tr></thead><tbody>"
    )
    for row in grid.rows:
        cells = (_html_cell(cell, _is_right(grid, i), link) for i, cell in enumerate(row))
        parts.append("<tr>" + "".join(cells) + "</tr>")
    notes = (f'<p class="note">{html.escape(note)}</p>' for note in grid.sentences)
    return "\n".join([*parts, "</tbody></table></div>", *notes])


def _star_of(row: Sequence[TableCell]) -> str:
    return "*" if any(cell.strong for cell in row) else ""


def _group_line(groups: list[tuple[str, int]], widths: list[int], column: int) -> str:
    parts = [" " * size for size in widths[:column]]
    for name, count in groups:
        room = sum(widths[column : column + count]) + 2 * (count - 1)
        parts.append(padded(name, room, right=True))
        column += count
    return "  ".join(parts).rstrip()


def plain_line(cell: TableCell) -> str:
    """Return what stands in a cell, in one line."""
    return f"{cell.text} ({cell.under})" if cell.under else cell.text


def _without_bar(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _escape_markdown(text: str) -> str:
    for char in "\\|*_`":
        text = text.replace(char, f"\\{char}")
    return text.replace("<", "&lt;")


LATEX_NEEDS = r"% Needs \usepackage{booktabs} in the preamble, and no other package."
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "−": r"$-$", "–": "--", "∞": r"$\infty$", "…": r"\dots{}", "≠": r"$\neq$",
    "β": r"$\beta$", "λ": r"$\lambda$", "ε": r"$\varepsilon$", "α": r"$\alpha$",
    "<": r"\textless{}", ">": r"\textgreater{}", "≤": r"$\leq$", "≥": r"$\geq$", "×": r"$\times$",
    "≈": r"$\approx$", "→": r"$\rightarrow$", "½": r"$\frac12$",
}  # fmt: skip
"""What pdfLaTeX does not take as it stands."""


def _escape_latex(text: str) -> str:
    return "".join(LATEX.get(char, char) for char in with_symbols(text))


def _end_sentence(text: str) -> str:
    return text if not text or text[-1] in ".?!" else f"{text}."


def _has_groups(grid: TableGrid) -> list[tuple[str, int]]:
    return [(name, len(list(run))) for name, run in groupby(group for group, _ in grid.header)]


def _latex_groups(grid: TableGrid) -> list[str]:
    cells, rules, column = [], [], 1
    for name, count in _has_groups(grid):
        last = column + count - 1
        if name:
            cells.append(rf"\multicolumn{{{count}}}{{c}}{{{_escape_latex(name)}}}")
            rules.append(rf"\cmidrule(lr){{{column}-{last}}}")
        else:
            cells += [""] * count
        column = last + 1
    return ["    " + _latex_row(cells), "    " + " ".join(rules)]


def _latex_cell(text: str) -> str:
    r"""Return the text so that LaTeX reads it as text: ``\\[2pt]`` and ``\\*`` are commands."""
    return f"{{}}{text}" if text.startswith(("[", "*")) else text


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _is_right(grid: TableGrid, column: int) -> str:
    return ' class="number"' if grid.right(column) else ""


def _html_cell(cell: TableCell, attributes: str, link: Link | None) -> str:
    text = html.escape(cell.text)
    if cell.strong and text:
        text = f"<strong>{text}</strong>"
    if cell.runs and link is not None and text:
        title = html.escape("MLflow runs: " + ", ".join(run[:8] for run in cell.runs))
        text = f'<a href="{html.escape(link(cell.runs))}" title="{title}">{text}</a>'
    if cell.mark:
        text = f'<span class="mark {html.escape(cell.mark)}">{text}</span>'
    if cell.under:
        text += f'<span class="under">{html.escape(cell.under)}</span>'
    title = f' title="{html.escape(cell.title)}"' if cell.title else ""
    return f"<td{attributes}{title}>{text}</td>"
