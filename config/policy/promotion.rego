# Who may become champion.
#
# Every night that trained a model, and every person who promotes one or takes the last promotion back, asks this file.
# It is given a description of the case in numbers ("the question"; docs/policy.md lists its parts) and answers
# whether it is allowed, and with which sentence each rule denied it. Nothing else in the project decides on a champion.
#
# How to read it: first the limits, then which rules apply to which case, then the rules, one a paragraph. A rule is
# written as the denial that it speaks: the sentence before the word `if`, the condition after it. Lines that begin
# with # are for you. How to change and test it: docs/policy.md.

package nightcart.promotion

import rego.v1

# ── The limits ────────────────────────────────────────────────────────────────────────────────────────────────────────

# Households in the holdout, the week that the model has not seen. With fewer, one household moves the average by more
# than three hundredths: what is measured is then who happened to shop.
fewest_households := 30

# A slice is a part of the customers or of the range: new households, one department, one weekday. Its recall may fall by
# at most this part of what it was, in per cent. On the demo's data the whole model is worth 7 % more than the best simple
# method: a slice that lost a tenth would be better served without a model.
largest_slice_loss_percent := 10

# And by more than one of these two, in recall itself: with enough households every difference is certain, and in a
# department in which one purchase in sixteen is found a tenth is less than a leaflet moves. The first is for the slice
# alone, however few buy in it. The second is what the slice costs everybody: its loss times the part of the households that
# buy in it. The whole model is worth .009 above the best simple method: no department is to cost most of that.
# How often they refuse what is better, and let pass what is ruined: benchmarks/decision_rates.md.
least_slice_loss := 0.03

least_slice_cost := 0.0075

# Slices of fewer households than this deny nothing: in one of fifty, a single household is two per cent of it.
fewest_households_in_slice := 50

# A score is the probability that a household buys: of products with .30 about three in ten should be bought. By how much
# it may be off on average. The lists show two digits; five hundredths off, a list can still be read as meant.
largest_calibration_error := 0.05

# Age of the newest purchase week that the version was judged by, in days. Three weeks: a leaflet lasts one, so at most
# three of them have come and gone unseen.
oldest_label_days := 21

# Age of the version itself, in days. It is trained anew every week; two weeks allow for one training that failed.
oldest_version_days := 14

# The watches whose alarm at level error stops a promotion. `inputs` looks at the feed itself: what was learnt from a
# feed that is broken is not to be trusted. The others (features, predictions, outcomes) speak of the champion that
# serves; their alarm is a reason for a new one, and must not keep it away.
watches_that_stop := {"inputs"}

# The rules that do not keep a version away: what they say goes on record and on its card, and it may become champion.
# Scores that are off still rank: of two products the better one comes first. To keep the better ranking from everybody,
# because a number beside it is wrong, costs more than to leave the number out: the lists then say that their scores are
# no probabilities (`is_probability`). Who sends offers by the number itself makes this an empty set: `set()`.
only_noted := {"scores_mean_what_they_say"}

# What no person can let through: a version that cannot be loaded serves nobody, and what was not asked was not decided.
never_overridden := {"question_is_complete", "version_can_be_loaded"}

# ── Which rules apply ─────────────────────────────────────────────────────────────────────────────────────────────────

# night:    a training has ended, and its version may become champion by itself.
# promote:  a person wants a version to become champion. The same rules; with an override, on record, past all of them
#           but those that are never overridden.
# rollback: a person wants a version back that was champion before. It has proven itself, and there is no time: only that
#           it still works is asked.
rules := {
	"night": rules_of_promotion,
	"promote": rules_of_promotion,
	"rollback": {
		"question_is_complete",
		"version_was_champion_before",
		"version_can_be_loaded",
		"version_scores_its_sample_as_recorded",
	},
}

rules_of_promotion := {
	"question_is_complete",
	"holdout_has_enough_households",
	"better_than_every_baseline",
	"better_than_the_champion",
	"no_slice_lost_too_much",
	"scores_mean_what_they_say",
	"inputs_passed_their_gates",
	"inputs_have_not_drifted",
	"labels_are_fresh",
	"version_is_recent",
	"model_card_is_complete",
	"version_can_be_loaded",
	"version_scores_its_sample_as_recorded",
}

# ── The rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────

# The question has all its parts: a rule that is not told its number could not deny.
denial("question_is_complete", question) := concat("", ["the question lacks ", concat(", ", missing)]) if {
	parts := parts_of_question[question.kind]
	missing := [place |
		some part in object.keys(parts)
		some name in names_of(part, parts[part], question)
		object.get(question, [part, name], "absent") == "absent"
		place := concat(".", [part, name])
	]
	count(missing) > 0
}

# The measurement is of enough households to mean anything.
denial("holdout_has_enough_households", question) := sprintf(
	"%v %s in the holdout are too few to judge by, at least %v are needed",
	[judged, who, fewest_households],
) if {
	who := subjects(question)
	judged := object.get(question.measured, who, "unknown")
	not is_at_least(judged, fewest_households)
}

# The version beats every simple method, such as "what the household buys most": by more than chance, so the whole
# interval of the difference is above zero.
denial("better_than_every_baseline", question) := concat("; ", sentences) if {
	sentences := [loses(question, opponent) |
		some opponent in question.measured.baselines
		not is_won(opponent)
	]
	count(sentences) > 0
}

# The same against the champion that serves, if there is one. A tie does not promote: a change has to be worth it.
denial("better_than_the_champion", question) := loses(question, question.measured.champion) if {
	question.measured.champion != null
	not is_won(question.measured.champion)
}

# No part of the customers or of the range pays for the gain of the others.
denial("no_slice_lost_too_much", question) := concat("; ", sentences) if {
	who := subjects(question)
	metric := slice_metric(question)
	sentences := [sprintf("%s in %s %s fell by %.1f %% over %v %s, at most %v %% is allowed", [
		metric,
		slice.slice,
		slice.value,
		loss_percent(slice, metric),
		slice[who],
		who,
		largest_slice_loss_percent,
	]) | some slice in question.measured.slices
		slice[who] >= fewest_households_in_slice
		slice.high < 0
		loss_percent(slice, metric) > largest_slice_loss_percent
		matters(slice, question)
	]
	count(sentences) > 0
}

# Where scores are said to be probabilities, they are; else they are an order, and called nothing more.
denial("scores_mean_what_they_say", question) := sprintf(
	"scores are off by %v on average, more than %v: they are an order, and no probabilities",
	[shown(question.measured.calibration_error), largest_calibration_error],
) if {
	question.measured.scores_are_probabilities
	not is_at_most(question.measured.calibration_error, largest_calibration_error)
}

# All that the version was made from passed its checks, or a person let it through.
denial("inputs_passed_their_gates", question) := concat("", [
	"gates of what it was made from are shut: ",
	concat("; ", question.inputs.closed_gates),
]) if {
	count(question.inputs.closed_gates) > 0
}

# The feed was not under alarm in the last night.
denial("inputs_have_not_drifted", question) := concat("; ", sentences) if {
	sentences := [sprintf("the watch of %s was at level error in the night of %s: %s", [
		signal.watch,
		signal.business_date,
		signal.says,
	]) | some signal in question.inputs.signals
		signal.watch in watches_that_stop
		signal.level == "error"
	]
	count(sentences) > 0
}

# It was judged by purchases of these weeks, not of a season that is over.
denial("labels_are_fresh", question) := sprintf(
	"the newest week of purchases that it was judged by ended %v days before, at most %v are allowed",
	[question.version.days_since_labels, oldest_label_days],
) if {
	not is_at_most(question.version.days_since_labels, oldest_label_days)
}

# It is not an old version that was left lying about.
denial("version_is_recent", question) := sprintf(
	"it was made %v days before, at most %v are allowed",
	[question.version.days_since_made, oldest_version_days],
) if {
	not is_at_most(question.version.days_since_made, oldest_version_days)
}

# Whoever asks later finds everything about it in its model card.
denial("model_card_is_complete", question) := concat("", [
	"its model card lacks ",
	concat(", ", question.card.missing),
]) if {
	count(question.card.missing) > 0
}

# Its files were loaded once before it serves.
denial("version_can_be_loaded", question) := "it cannot be loaded" if {
	question.version.can_be_loaded != true
}

# A small sample, frozen when it was made, has the same scores today.
denial("version_scores_its_sample_as_recorded", question) := "it does not score its frozen sample as on record" if {
	question.version.sample_matches != true
}

# Only what was champion before can be gone back to.
denial("version_was_champion_before", question) := "it was never champion, so it cannot be gone back to" if {
	question.version.was_champion != true
}

# ── The answer ────────────────────────────────────────────────────────────────────────────────────────────────────────

allow if is_allowed(input)

default allow := false

deny contains {"rule": rule, "says": says} if some rule, says in denials(input)

# Every rule that denies, with its sentence. A case of a kind that is not known is denied by that alone.
denials(question) := {rule: says | some rule in rules[question.kind]
	says := denial(rule, question)
} if {
	question.kind in object.keys(rules)
} else := {"question_is_complete": "the kind of the case is not known"}

is_allowed(question) if count(object.keys(denials(question)) - only_noted) == 0

is_allowed(question) if {
	question.kind == "promote"
	question.override.by != ""
	question.override.reason != ""
	count(object.keys(denials(question)) & never_overridden) == 0
}

# ── What the rules above are written with ─────────────────────────────────────────────────────────────────────────────

parts_of_question := {
	"night": parts_of_promotion,
	"promote": parts_of_promotion,
	"rollback": {"version": {"was_champion", "can_be_loaded", "sample_matches"}},
}

parts_of_promotion := {
	"measured": {
		"metric",
		"baselines",
		"champion",
		"slices",
		"scores_are_probabilities",
		"calibration_error",
	},
	"version": {"days_since_made", "days_since_labels", "can_be_loaded", "sample_matches"},
	"inputs": {"closed_gates", "signals"},
	"card": {"missing"},
	"words": {"subjects", "slice_metric"},
}

# Only a number can be on the right side of a limit: nothing else is compared.
is_at_least(value, limit) if {
	is_number(value)
	value >= limit
}

is_at_most(value, limit) if {
	is_number(value)
	value <= limit
}

is_won(opponent) if {
	is_number(opponent.low)
	opponent.low > 0
}

loses(question, opponent) := sprintf("does not beat %s by more than chance in %s: %s [%s, %s]", [
	opponent.name,
	question.measured.metric,
	signed(opponent.difference),
	signed(opponent.low),
	signed(opponent.high),
])

# By how much of what it was the metric of a slice fell.
loss_percent(slice, metric) := (-100 * slice.difference) / (slice[metric] - slice.difference)

matters(slice, _) if 0 - slice.difference > least_slice_loss

matters(slice, question) if {
	who := subjects(question)
	((0 - slice.difference) * slice[who]) / question.measured[who] > least_slice_cost
}

# What a score is for, and what slices are measured by, in the words of who asks.
subjects(question) := question.words.subjects

slice_metric(question) := question.words.slice_metric

# What a part must have: of what was measured, also how many subjects it was measured of.
names_of(part, names, question) := names | {subjects(question)} if part == "measured"

names_of(part, names, _) := names if part != "measured"

signed(number) := sprintf("+%.4f", [number]) if {
	is_number(number)
	number >= 0
}

signed(number) := sprintf("%.4f", [number]) if {
	is_number(number)
	number < 0
}

signed(number) := "unknown" if not is_number(number)

shown(number) := sprintf("%.3f", [number]) if is_number(number)

shown(number) := "an unknown number" if not is_number(number)
