"""What follows from profiles by arithmetic: racks, wiring, failure domains, optics, pictures."""
