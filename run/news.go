package run

import "time"

// newsEvery is the time between two lines of one kind at info about what every round
// does: small models make thousands of rounds a minute, and would hide what matters.
const newsEvery = 5 * time.Second

// news logs what every round does: at info once in newsEvery for each message, at debug
// otherwise.
func (r *Run) news(msg string, args ...any) {
	now := r.env.Now()
	if last, told := r.told[msg]; told && now.Sub(last) < newsEvery && !now.Before(last) {
		r.log.Debug(msg, args...)
		return
	}
	r.told[msg] = now
	r.log.Info(msg, args...)
}
