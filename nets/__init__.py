"""slim's `nets` folder, which the post puts next to its scripts: networks and their factory."""
