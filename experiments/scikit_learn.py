"""scikit-learn's logistic regression on the table of anes96, for experiments/radon.yaml.

Debian: apt install python3-sklearn; python3 experiments/scikit_learn.py
"""
import csv
import statistics

import numpy
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

SPLITS = 200
L2 = 0.01  # of the task: mean loss + L2/2 |w|^2, where C is 1/(L2 n)

with open("coordinator/dataset/anes96/anes96.csv") as table:
    rows = list(csv.DictReader(table))
x = numpy.array([[float(v) for k, v in row.items() if k != "vote"] for row in rows])
y = numpy.array([row["vote"] == "Dole" for row in rows])

accuracies, losses = [], []
for seed in range(SPLITS):
    train, test, train_y, test_y = train_test_split(x, y, test_size=0.2, random_state=seed)
    scale = StandardScaler().fit(train)
    model = LogisticRegression(C=1 / (L2 * len(train))).fit(scale.transform(train), train_y)
    accuracies.append(model.score(scale.transform(test), test_y))
    losses.append(log_loss(test_y, model.predict_proba(scale.transform(test))))
print(f"scikit-learn {sklearn.__version__}, {SPLITS} random splits of {len(rows)} rows, a fifth of them for testing:")
for name, all in ("accuracy", accuracies), ("test loss", losses):
    print(f"{name} {statistics.mean(all):.4f}, deviation {statistics.stdev(all):.4f}, of the mean {statistics.stdev(all) / SPLITS ** 0.5:.4f}")
