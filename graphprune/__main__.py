"""`python -m graphprune`: what `accelerate launch -m graphprune` starts in every process."""

from graphprune.commands import main

if __name__ == "__main__":
    main(prog_name="graphprune")
