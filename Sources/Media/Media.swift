// The vocabulary that every room shares: time, frames, pools, queues, media threads and codecs.
