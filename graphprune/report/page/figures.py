"""Places that scripts fill with plots, and the controls above them."""

from collections.abc import Mapping

from graphprune.report.page.markup import Markup, tag


def figure(kind: str, title: str, caption: object, *controls: Markup) -> Markup:
    """A plot with its title, controls and caption.

    Args:
        kind: Which script draws it.
        title: Heading above, and the plot's name for those who do not see it.
        caption: What is drawn, below.
        controls: Fields; hidden until a script is there to serve them.
    """
    fields = tag("div", controls, class_="controls", hidden=True) if controls else None
    plot = tag("div", class_="plot", role="group", aria_label=title)
    note = tag("p", class_="note", hidden=True, aria_live="polite")
    return tag(
        "section",
        tag("h3", title),
        tag(
            "figure",
            fields,
            plot,
            note,
            tag("figcaption", caption),
        ),
        data_draw=kind,
    )


def choice(name: str, label: str, options: Mapping[str, str]) -> Markup:
    """A field to choose one of several; the first is chosen at the start."""
    items = [tag("option", text, value=value) for value, text in options.items()]
    return tag("label", label, " ", tag("select", items, name=name))


def switch(name: str, label: str, *, on: bool = True) -> Markup:
    """A box to tick."""
    return tag("label", tag("input", type="checkbox", name=name, checked=on), " ", label)
