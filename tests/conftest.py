"""What every test gets: Hypothesis without deadlines (a busy machine is no failure)."""

from hypothesis import settings

settings.register_profile("mbusbench", deadline=None)
settings.load_profile("mbusbench")
