

def features(rows):
    columns = json.loads(about["encoding"])["columns"]
    return np.array([[x for c in columns for x in feature(c, row.get(c["name"]))] for row in rows])


def feature(column, value):
    if "categories" not in column:
        return [((column["fill"] if value is None else value) - column["mean"]) / column["deviation"]]
    at = int(column["fill"]) if value is None else column["categories"].index(value)
    return [float(i == at) for i in range(len(column["categories"]))]
