"""The guild: the skills of a realm, samples of their problems, judging, and the forging of quests."""
