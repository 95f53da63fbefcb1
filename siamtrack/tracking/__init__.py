"""From frame to box: crops, peaks, the tracker. Knows no files and no windows."""
