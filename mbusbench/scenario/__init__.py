"""The judge: scenarios, masters under test, expectations and verdicts."""
