"""A webcam and OpenCV: draw a box, and it is followed.

    python examples/webcam.py            # camera 0
    python examples/webcam.py clip.mp4   # or a file

In the window `b` draws another box and `q` quits. The same with pause, recording and many targets is `siamtrack live`.
"""

import sys

import cv2

import siamtrack

COLORS = {"TRACKING": (0, 200, 0), "UNCERTAIN": (0, 200, 255), "LOST": (0, 0, 255)}  # BGR


def main():
    """Read, track, show."""
    source = sys.argv[1] if len(sys.argv) > 1 else "0"
    camera = cv2.VideoCapture(int(source) if source.isdigit() else source)
    if not camera.isOpened():
        sys.exit(f"{source} cannot be opened; give the number of a camera, or a video file")
    tracker = siamtrack.load()
    drawn = False
    while True:
        there, frame = camera.read()
        if not there:
            break
        if not drawn:
            box = cv2.selectROI("siamtrack", frame)
            if not any(box):  # Esc
                break
            result = tracker.init(frame, box)
            drawn = True
        else:
            result = tracker.update(frame)

        x, y, w, h = (round(value) for value in result.box)
        color = COLORS[str(result.state)]
        cv2.rectangle(frame, (x, y), (x + w, y + h), color, 2)
        cv2.putText(
            frame, f"{result.state} {result.score:.2f}", (x, y - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, 1, cv2.LINE_AA
        )
        cv2.imshow("siamtrack", frame)
        key = cv2.waitKey(1) & 0xFF
        if key == ord("q"):
            break
        drawn = key != ord("b")


if __name__ == "__main__":
    main()
