"""slim's `nets` folder, as the post lays it next to the scripts: networks and their factory."""
