"""``python -m engine.cli``: the ``diagnose`` command without an installed script."""

from engine.cli import main

main()
