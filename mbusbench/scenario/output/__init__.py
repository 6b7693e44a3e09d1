"""What came of a run, as data with a version (results.py), and that as text, JUnit, HTML, Markdown and annotations."""
