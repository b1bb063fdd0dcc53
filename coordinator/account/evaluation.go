package account

import (
	"fedtab/api"
	"fedtab/learn"
	"fedtab/run"
)

// Test returns the figures on the test set and on the validation set as JSON; nil has none.
func Test(f, validation *learn.Figures) api.Test {
	if f == nil {
		return api.Test{}
	}
	t := api.Test{
		TestLoss: run.Finite(&f.Loss), TestAccuracy: run.Finite(&f.Accuracy), TestBalancedAccuracy: run.Finite(&f.BalancedAccuracy),
		TestF1: run.Finite(&f.F1), TestRMSE: run.Finite(&f.RMSE), TestMAE: run.Finite(&f.MAE), TestR2: run.Finite(&f.R2),
	}
	if v := validation; v != nil {
		t.ValidationLoss, t.ValidationAccuracy, t.ValidationRMSE = run.Finite(&v.Loss), run.Finite(&v.Accuracy), run.Finite(&v.RMSE)
	}
	return t
}

// beside returns figures that stand beside those of an evaluation; nil has none.
func beside(f *learn.Figures) *api.File {
	if f == nil {
		return nil
	}
	return &api.File{Examples: f.Examples, Loss: run.Finite(&f.Loss), Accuracy: run.Finite(&f.Accuracy), RMSE: run.Finite(&f.RMSE), R2: run.Finite(&f.R2)}
}

// Evaluation returns an evaluation as JSON. classes are their names by label;
// target is the predicted column of a table.
func Evaluation(e *run.Evaluation, classes []string, target string) *api.Evaluation {
	v := &api.Evaluation{
		Version: int(e.Version), Examples: e.Examples, Loss: run.Finite(&e.Loss), Accuracy: run.Finite(&e.Accuracy),
		BalancedAccuracy: run.Finite(&e.BalancedAccuracy), F1: run.Finite(&e.F1),
		RMSE: run.Finite(&e.RMSE), MAE: run.Finite(&e.MAE), R2: run.Finite(&e.R2),
	}
	if v.RMSE != nil {
		v.Target = target
	}
	v.Participants = e.Participants
	if s := e.Spread; s != nil {
		spread := api.Spread(*s)
		v.Spread = &spread
	}
	v.File, v.Validation = beside(e.File), beside(e.Validation)
	k := len(e.Classes)
	for c, f := range e.Classes {
		v.Classes = append(v.Classes, api.Class{
			Name: classes[c], Examples: f.Examples, Precision: run.Finite(&f.Precision), Recall: run.Finite(&f.Recall), F1: run.Finite(&f.F1),
		})
		if k <= api.MaxConfusion && len(e.Confusion) == k*k {
			v.Confusion = append(v.Confusion, e.Confusion[c*k:(c+1)*k])
		}
	}
	return v
}
