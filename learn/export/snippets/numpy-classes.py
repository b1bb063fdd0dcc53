

def predict(x):  # a row of probabilities for each example
    z = outputs(x)
    if spec["loss"] == "softmax":
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)
    one = z.shape[1] == 1
    if spec["loss"] == "hinge":  # scores, which are no probabilities
        return np.hstack([-z, z]) if one else z
    p = 1 / (1 + np.exp(-z))
    return np.hstack([1 - p, p]) if one else p / p.sum(axis=1, keepdims=True)


classes = json.loads(about["classes"])
{examples}
for p in predict(features(examples)):
    print(classes[p.argmax()], p.round(3))
