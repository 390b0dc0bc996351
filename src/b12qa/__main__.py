"""`python -m b12qa` does what the command `b12qa` does."""

from b12qa.cli import app

if __name__ == "__main__":
    app(prog_name="b12qa")
