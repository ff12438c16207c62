"""Taxonomies that need not be typed: COCO's things and Berkeley Deep Drive."""

from __future__ import annotations

from apps.taxonomies.trees import Node, from_names

# In COCO's order; class ids count from 0, without the gaps of COCO's own category ids.
_COCO = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag,
tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard,
tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot,
hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote,
keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
hair drier, toothbrush
"""
_BDD = "pedestrian, rider, car, truck, bus, train, motorcycle, bicycle, traffic light, traffic sign"


def _nodes(text: str) -> list[Node]:
    return from_names([name.strip() for name in text.split(",")])


READYMADE: dict[str, tuple[str, str, list[Node]]] = {
    "coco": ("COCO things", "The 80 object classes of Microsoft COCO.", _nodes(_COCO)),
    "bdd": ("Berkeley Deep Drive", "The 10 classes of BDD100K's detection task.", _nodes(_BDD)),
}
