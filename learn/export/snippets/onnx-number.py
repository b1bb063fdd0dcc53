import numpy as np
import onnxruntime as ort

session = ort.InferenceSession({file})
{examples}
(value,) = session.run(["value"], {"{input}": examples})
print(value)
