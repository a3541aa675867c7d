"""Parts of scripts/bench. Standard library only."""
