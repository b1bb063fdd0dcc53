

def predict(x):  # a number for each example
    target = json.loads(about["encoding"])["target"] if "encoding" in about else {"mean": 0, "deviation": 1}
    return target["mean"] + target["deviation"] * outputs(x)[:, 0]


{examples}
print(predict(features(examples)))
