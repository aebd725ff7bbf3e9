"""`python -m openai_vtab` runs the openai-vtab command."""

from .shell import main

if __name__ == "__main__":
    main()
