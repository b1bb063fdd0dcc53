package main

import "strings"

// object is a decoded JSON object. Its methods answer with zero values where a
// field is missing or of another type: the page shows what it understands.
type object map[string]any

func asObject(v any) object {
	m, _ := v.(map[string]any)
	return m
}

func (o object) text(key string) string {
	s, _ := o[key].(string)
	return s
}

func (o object) number(key string) float64 {
	f, _ := o[key].(float64)
	return f
}

func (o object) count(key string) int { return int(o.number(key)) }

func (o object) flag(key string) bool {
	b, _ := o[key].(bool)
	return b
}

func (o object) figure(key string) Figure {
	f, ok := o[key].(float64)
	return Figure{f, ok}
}

func (o object) object(key string) object { return asObject(o[key]) }

func (o object) list(key string) []any {
	l, _ := o[key].([]any)
	return l
}

func parseTask(o object) Task {
	model, data, strategy := o.object("model"), o.object("data"), o.object("strategy")
	packing, stop := o.object("packing"), o.object("stop")
	return Task{
		Name:         o.text("name"),
		Title:        o.text("title"),
		Description:  o.text("description"),
		Run:          o.text("run"),
		Phase:        o.text("phase"),
		Model:        model.text("summary"),
		Parameters:   model.count("parameters"),
		Data:         data.text("summary"),
		DataPublic:   data.flag("public"),
		Classes:      data.count("classes"),
		Strategy:     strategy.text("summary"),
		PackingUp:    packing.text("up"),
		PackingBits:  packing.number("bits"),
		PackingDown:  packing.text("down"),
		Round:        o.count("round"),
		Version:      o.count("version"),
		Participants: o.count("participants"),
		Evaluated:    o.count("evaluated"),
		TestLoss:     o.figure("test_loss"),
		TestAccuracy: o.figure("test_accuracy"),
		BytesUp:      o.number("bytes_up"),
		BytesDown:    o.number("bytes_down"),
		ModelsUp:     o.count("models_up"),
		ModelsDown:   o.count("models_down"),
		Density:      parseDensity(o),
		Messages:     kindsWords(o.object("kinds")),
		RolledBack:   o.count("rolled_back"),
		Finished:     o.text("finished"),
		StopRounds:   stop.count("rounds"),
		StopAccuracy: positive(stop.figure("accuracy")),
		StopSeconds:  stop.number("seconds"),
	}
}

// positive makes a zero, which in a limit means none, unknown.
func positive(f Figure) Figure {
	f.Known = f.Known && f.Value > 0
	return f
}

func parseDensity(o object) Density {
	return Density{BitsUp: o.figure("bits_up"), BitsDown: o.figure("bits_down"), RawRatio: o.figure("raw_ratio")}
}

func parseRound(o object) Round {
	return Round{
		Number:       o.count("round"),
		Participants: o.count("participants"),
		TrainLoss:    o.figure("train_loss"),
		TestLoss:     o.figure("test_loss"),
		TestAccuracy: o.figure("test_accuracy"),
		BytesUp:      o.number("bytes_up"),
		BytesDown:    o.number("bytes_down"),
		ModelsUp:     o.count("models_up"),
		ModelsDown:   o.count("models_down"),
		Density:      parseDensity(o),
		Rate:         o.figure("rate"),
		Seconds:      o.number("seconds"),
	}
}

func parseLocal(o object) Local {
	var numbers []string
	for _, n := range o.list("numbers") {
		if f, ok := n.(float64); ok {
			numbers = append(numbers, count(int(f)))
		}
	}
	return Local{
		Connection:    o.text("connection"),
		Activity:      o.text("activity"),
		Detail:        o.text("detail"),
		Participant:   o.count("participant"),
		Participants:  o.count("participants"),
		Numbers:       strings.Join(numbers, ", "),
		Codec:         o.text("codec"),
		CodecDown:     o.text("codecDown"),
		Round:         o.count("round"),
		Shards:        o.count("shards"),
		ShardsTotal:   o.count("shardsTotal"),
		Examples:      o.count("examples"),
		Done:          o.count("done"),
		Total:         o.count("total"),
		Loss:          o.figure("loss"),
		Accuracy:      o.figure("accuracy"),
		Rate:          o.number("rate"),
		Contributions: o.count("contributions"),
		BytesUp:       o.number("bytesUp"),
		BytesDown:     o.number("bytesDown"),
		RetrySeconds:  o.number("retrySeconds"),
	}
}
