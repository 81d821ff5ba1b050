"""Where things stand in an opened page."""

WINDOW = {"width": 1200, "height": 900}
POINTS = ".plot .scatterlayer .trace .points path.point"


def section(page, kind):
    """The part of the page that one script draws."""
    return page.locator(f'[data-draw="{kind}"]')


def column(page, name):
    """Texts of a column of the table of runs, as shown."""
    heads = page.locator(".runs thead th").all_inner_texts()
    at = next(i for i, text in enumerate(heads) if text.split()[0] == name)
    return page.locator(f".runs tbody tr td:nth-child({at + 1})").all_inner_texts()
