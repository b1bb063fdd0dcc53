import numpy as np
import onnxruntime as ort

session = ort.InferenceSession({file})
classes = {classes}
{examples}
label, {scores} = session.run(["label", "{scores}"], {"{input}": examples})
for i, p in zip(label, {scores}):
    print(classes[i], p.round(3))
