// Scene, layout, raster, text, mixer, clock, encoder, publisher.
