"""Generators that yield exchanges; the same ones run under asyncio, under virtual time and by hand."""
