"""Statistics and daily reports: figures of a time, from alarms and breaks. Pure.

A *period* is a day, week or month of Beijing time, or any range. An alarm counts in the
period in which it was raised, once; its time counts where it passed, so that the days
of a month add up to the month and an alarm over midnight belongs to both days. What is
still on has lasted until now and is called ongoing: its time is never 0 for want of an
end. Planned alarms are counted apart; drills and pre-warnings never get here.
"""
