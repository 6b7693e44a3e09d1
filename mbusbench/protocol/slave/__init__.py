"""The other side of the link: one slave, from the frames that it hears to the telegrams that it sends."""
