"""Treatment plans of the same patient for several radiations, made by pyRadPlan in a process of its
own. They are research plans, and not for treatment.
"""
