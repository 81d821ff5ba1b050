"""Runs the notebooks from the first cell to the last and stores what they show.

    python notebooks/run.py                  # all of them, in place
    python notebooks/run.py FILE --out DIR   # one, leaving the stored one as it is

Each runs in an empty folder that vanishes afterwards, on the interpreter that runs this script
and the packages beside it; no kernel has to be installed. A cell that raises ends it with
status 1, and nothing is written.
"""

import base64
import hashlib
import io
import os
import tempfile
from pathlib import Path

import click
import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).parent
PNG = "image/png"
SECONDS_A_CELL = 900  # so that nothing hangs for ever
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def run(notebook: NotebookNode) -> NotebookNode:
    """A copy of a notebook with what its cells show when they are run in order.

    Nothing that belongs to this machine or moment is kept but the outputs themselves.
    `metadata.sources` is the hash of the cells that were run.

    Raises:
        CellExecutionError: A cell raised.
    """
    ran = nbformat.from_dict(notebook)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "empty").mkdir()
        manager = AsyncKernelManager(
            kernel_name="python3",
            # With no folder to look in, it is the kernel of this very interpreter.
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
            connection_file=str(folder / "connection.json"),
            transport="ipc",
            ip=str(folder / "socket"),
        )
        client = NotebookClient(
            ran,
            km=manager,
            timeout=SECONDS_A_CELL,
            record_timing=False,
            coalesce_streams=True,
        )
        client.execute(cleanup_kc=True, cwd=str(folder / "empty"), env=_environment(folder))
    for cell in ran.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            if PNG in shown:
                shown[PNG] = _small_picture(shown[PNG])
    ran.metadata = METADATA | {"sources": sources_hash(ran)}
    return nbformat.from_dict(ran)


def sources_hash(notebook: NotebookNode) -> str:
    """Hash of the code of a notebook; 64 hexadecimal digits."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()


def _small_picture(png: str) -> str:
    """A picture, base64, in 256 colours: a third of the bytes, and no eye sees it."""
    drawn, stored = io.BytesIO(base64.b64decode(png)), io.BytesIO()
    picture = Image.open(drawn).convert("RGB")
    # The usual median cut loses colours that few pixels have, such as those of a few dots.
    picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    picture.save(stored, format="png", optimize=True)
    return base64.b64encode(stored.getvalue()).decode()


def _environment(folder: Path) -> dict[str, str]:
    """That of this process; the packages beside this folder come first, pictures are inline."""
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    paths = [str(FOLDER.parent.resolve()), kept.get("PYTHONPATH", "")]
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "IPYTHONDIR": str(folder / "ipython"),
        # tqdm asks for widgets as soon as accelerate is imported; nothing here shows its bars.
        "PYTHONWARNINGS": "ignore:IProgress not found",
    }


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the notebooks with their outputs; where they are, if left out.",
)
def main(paths: tuple[Path, ...], out: Path | None) -> None:
    """Run notebooks, by default all of this folder, and store them with their outputs."""
    for path in paths or sorted(FOLDER.glob("*.ipynb")):
        click.echo(f"running {path.name}", err=True)
        try:
            ran = run(nbformat.read(path, as_version=4))
        except CellExecutionError as error:
            raise click.ClickException(f"{path}: {error}") from error
        folder = out or path.parent
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(ran, folder / path.name)


if __name__ == "__main__":
    main()
