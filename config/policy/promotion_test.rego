# Proof that every rule of promotion.rego denies what it should, and nothing else. `nightcart policy test` runs it, and
# so does `opa test config/policy`. A policy that fails a test of its own decides nothing.
#
# A test takes the case below, in which all is well, changes one thing in it, and says which rules deny it.

package nightcart.promotion_test

import data.nightcart.promotion

import rego.v1

all_is_well := {
	"kind": "night",
	"business_date": "2024-05-06",
	"words": {"subjects": "households", "slice_metric": "recall"},
	"measured": {
		"metric": "recall",
		"confidence": 0.95,
		"households": 400,
		"baselines": [
			{"name": "global top", "difference": 0.03, "low": 0.02, "high": 0.04},
			{"name": "personal top", "difference": 0.01, "low": 0.001, "high": 0.02},
		],
		"champion": {"name": "champion (version 6)", "difference": 0.01, "low": 0.002, "high": 0.02},
		"slices": [{
			"slice": "department",
			"value": "BAKERY",
			"households": 200,
			"recall": 0.19,
			"difference": -0.01,
			"low": -0.02,
			"high": -0.001,
		}],
		"scores_are_probabilities": true,
		"calibration_error": 0.01,
	},
	"version": {
		"number": 7,
		"days_since_made": 0,
		"days_since_labels": 0,
		"can_be_loaded": true,
		"sample_matches": true,
		"was_champion": false,
	},
	"inputs": {
		"closed_gates": [],
		"signals": [{"watch": "inputs", "level": "ok", "business_date": "2024-05-06", "says": ""}],
	},
	"card": {"missing": []},
	"override": null,
}

# The case, with one number of one of its parts changed, or left out.
but(part, name, value) := object.union(all_is_well, {part: object.union(all_is_well[part], {name: value})})

without(part, name) := object.union(
	object.remove(all_is_well, [part]),
	{part: object.remove(all_is_well[part], [name])},
)

# The parts that are lists.
opponent(low) := {"name": "global top", "difference": 0.03, "low": low, "high": 0.04}

against_baseline(low) := but("measured", "baselines", [opponent(0.02), opponent(low)])

against_champion(low) := but("measured", "champion", opponent(low))

with_signal(watch, level) := but("inputs", "signals", [{
	"watch": watch,
	"level": level,
	"business_date": "2024-05-06",
	"says": "lines of BAKERY are gone",
}])

denied_by(question) := object.keys(promotion.denials(question))

test_all_is_well if {
	promotion.is_allowed(all_is_well)
	denied_by(all_is_well) == set()
}

test_too_few_households if {
	denied_by(but("measured", "households", 29)) == {"holdout_has_enough_households"}
}

test_enough_households_exactly if promotion.is_allowed(but("measured", "households", 30))

test_one_baseline_not_beaten if {
	denied_by(against_baseline(-0.001)) == {"better_than_every_baseline"}
}

test_tie_with_a_baseline if denied_by(against_baseline(0)) == {"better_than_every_baseline"}

test_unknown_difference_is_not_a_win if {
	denied_by(against_baseline(null)) == {"better_than_every_baseline"}
}

test_champion_not_beaten if {
	denied_by(against_champion(-0.001)) == {"better_than_the_champion"}
}

test_tie_with_the_champion if denied_by(against_champion(0)) == {"better_than_the_champion"}

test_without_a_champion_the_baselines_are_enough if promotion.is_allowed(but("measured", "champion", null))

# .30 - .04 = .26: a fall by 13 %.
ruined := {
	"slice": "department",
	"value": "BAKERY",
	"households": 200,
	"recall": 0.26,
	"difference": -0.04,
	"low": -0.06,
	"high": -0.02,
}

slice_with(name, value) := but("measured", "slices", [object.union(ruined, {name: value})])

test_slice_that_lost_too_much if denied_by(but("measured", "slices", [ruined])) == {"no_slice_lost_too_much"}

test_sentence_has_the_numbers if {
	promotion.denials(but("measured", "slices", [ruined])).no_slice_lost_too_much == concat(" ", [
		"recall in department BAKERY fell by 13.3 % over 200 households,",
		"at most 10 % is allowed",
	])
}

# .06 - .014 = .046: by 23 %, and yet fewer than one purchase in a hundred for everybody.
test_slice_in_which_little_is_found if {
	promotion.is_allowed(but("measured", "slices", [object.union(ruined, {"recall": 0.046, "difference": -0.014})]))
}

# What is no corner: nearly everybody buys in it.
test_slice_of_many_that_costs_everybody if {
	wide := object.union(ruined, {"households": 380, "recall": 0.11, "difference": -0.019})
	denied_by(but("measured", "slices", [wide])) == {"no_slice_lost_too_much"}
	promotion.is_allowed(but("measured", "slices", [object.union(wide, {"households": 100})]))
}

# A corner: it costs everybody little, and is not to be ruined all the same.
test_slice_of_few_that_is_ruined if {
	corner := object.union(ruined, {"households": 60, "recall": 0.01, "difference": -0.031})
	denied_by(but("measured", "slices", [corner])) == {"no_slice_lost_too_much"}
	promotion.is_allowed(but("measured", "slices", [object.union(corner, {"difference": -0.03})]))
}

test_slice_that_lost_by_chance if promotion.is_allowed(slice_with("high", 0.001))

test_slice_of_few_households if promotion.is_allowed(slice_with("households", 49))

test_slice_that_lost_little if promotion.is_allowed(slice_with("difference", -0.02))

test_scores_that_mislead_are_noted if {
	denied_by(but("measured", "calibration_error", 0.051)) == {"scores_mean_what_they_say"}
	promotion.is_allowed(but("measured", "calibration_error", 0.051))
}

test_scores_of_unknown_meaning_are_noted if {
	denied_by(but("measured", "calibration_error", null)) == {"scores_mean_what_they_say"}
	promotion.is_allowed(but("measured", "calibration_error", null))
}

test_what_is_noted_hides_no_denial if {
	not promotion.is_allowed(object.union(but("measured", "calibration_error", 0.051), {"card": {"missing": ["limits"]}}))
}

test_scores_that_promise_nothing if {
	promotion.is_allowed(object.union(all_is_well, {"measured": object.union(
		all_is_well.measured,
		{"scores_are_probabilities": false, "calibration_error": null},
	)}))
}

test_gate_that_is_shut if {
	denied_by(but("inputs", "closed_gates", ["transactions of 2024-05-05: failed"])) == {"inputs_passed_their_gates"}
}

test_feed_under_alarm if {
	denied_by(with_signal("inputs", "error")) == {"inputs_have_not_drifted"}
}

test_feed_with_a_warning if promotion.is_allowed(with_signal("inputs", "warn"))

test_alarm_that_calls_for_a_new_model if promotion.is_allowed(with_signal("outcomes", "error"))

test_old_labels if denied_by(but("version", "days_since_labels", 22)) == {"labels_are_fresh"}

test_unknown_labels if denied_by(but("version", "days_since_labels", null)) == {"labels_are_fresh"}

test_old_version if denied_by(but("version", "days_since_made", 15)) == {"version_is_recent"}

test_incomplete_card if denied_by(but("card", "missing", ["known limits"])) == {"model_card_is_complete"}

test_version_that_does_not_load if {
	denied_by(but("version", "can_be_loaded", false)) == {"version_can_be_loaded"}
}

test_version_that_scores_otherwise if {
	denied_by(but("version", "sample_matches", false)) == {"version_scores_its_sample_as_recorded"}
}

test_question_with_a_part_missing if denied_by(without("inputs", "signals")) == {"question_is_complete"}

test_unknown_kind if {
	coup := object.union(all_is_well, {"kind": "coup"})
	denied_by(coup) == {"question_is_complete"}
	not promotion.is_allowed(coup)
}

test_empty_question if {
	denied_by({}) == {"question_is_complete"}
	not promotion.is_allowed({})
}

# A person's words with a case.
overridden(question, kind, reason) := object.union(question, {
	"kind": kind,
	"override": {"by": "ada", "reason": reason},
})

test_person_lets_it_through_and_the_denial_is_told if {
	question := overridden(against_champion(-0.001), "promote", "the old one is broken")
	promotion.is_allowed(question)
	denied_by(question) == {"better_than_the_champion"}
}

test_night_cannot_override if not promotion.is_allowed(overridden(against_champion(-0.001), "night", "broken"))

test_override_needs_a_reason if not promotion.is_allowed(overridden(against_champion(-0.001), "promote", ""))

test_nobody_lets_through_what_does_not_load if {
	not promotion.is_allowed(overridden(but("version", "can_be_loaded", false), "promote", "broken"))
}

going_back(was_champion, can_be_loaded, sample_matches) := {
	"kind": "rollback",
	"version": {
		"number": 5,
		"was_champion": was_champion,
		"can_be_loaded": can_be_loaded,
		"sample_matches": sample_matches,
	},
}

test_going_back_asks_no_more_than_that_it_works if promotion.is_allowed(going_back(true, true, true))

test_going_back_to_what_was_never_champion if {
	denied_by(going_back(false, true, true)) == {"version_was_champion_before"}
}

test_going_back_to_what_does_not_load if denied_by(going_back(true, false, true)) == {"version_can_be_loaded"}

test_going_back_to_what_scores_otherwise if {
	denied_by(going_back(true, true, false)) == {"version_scores_its_sample_as_recorded"}
}
