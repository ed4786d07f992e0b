"""Everyday words to name a cluster by, where the classes of ImageNet are too particular."""

from __future__ import annotations

_WORDS = """
    people; man; woman; child; baby; face; hand; crowd; family; wedding; party; soldier; dancer; musician; dog; puppy; cat;
    kitten; bird; duck; chicken; owl; parrot; fish; shark; whale; frog; lizard; snake; turtle; crocodile; insect; butterfly;
    bee; beetle; spider; crab; snail; jellyfish; coral reef; horse; cow; sheep; goat; pig; deer; elephant; bear; lion; tiger;
    monkey; gorilla; rabbit; mouse; squirrel; fox; wolf; zebra; giraffe; camel; kangaroo; dinosaur; flower; tree; forest;
    grass; leaf; plant; mushroom; garden; fruit; apple; banana; orange; vegetable; bread; cake; pizza; sandwich; soup; meat;
    dessert; ice cream; drink; coffee; wine; beer; meal; restaurant; kitchen; cup; plate; bottle; bowl; pot; knife; mountain;
    hill; valley; desert; beach; sea; ocean; lake; river; waterfall; island; sky; cloud; sunset; snow; ice; fire; volcano;
    cave; rock; field; farm; park; street; road; city; village; skyscraper; building; house; church; castle; tower; bridge;
    temple; palace; monument; statue; fountain; wall; fence; door; window; stairs; roof; room; bedroom; bathroom; office;
    library; shop; market; factory; hospital; school; stadium; theater; museum; airport; harbor; car; racing car; truck; bus;
    taxi; van; tractor; train; locomotive; tram; bicycle; motorcycle; airplane; helicopter; balloon; rocket; boat; sailboat;
    ship; submarine; canoe; wheel; engine; tool; hammer; machine; lamp; candle; clock; watch; telephone; camera; computer;
    laptop; keyboard; screen; television; printer; radio; loudspeaker; microphone; guitar; piano; violin; drum; trumpet; book;
    newspaper; letter; map; painting; drawing; poster; sign; text; logo; flag; coin; money; stamp; toy; doll; teddy bear;
    puzzle; ball; football; basketball; baseball; tennis; golf; hockey; boxing; skiing; surfing; swimming; running; climbing;
    fishing; camping; hat; helmet; glasses; mask; shirt; dress; skirt; trousers; jacket; coat; suit; swimwear; underwear;
    shoes; boots; sandals; socks; gloves; scarf; bag; backpack; suitcase; umbrella; jewelry; ring; necklace; perfume; lipstick;
    chair; sofa; table; bed; cupboard; shelf; curtain; carpet; pillow; mirror; vase; basket; box; barrel; bucket; rope; chain;
    key; lock; pen; scissors; needle; fabric; weapon; gun; sword; tank; X-ray; microscope image; satellite image; diagram;
    pattern; texture; letter of the alphabet; number; symbol; night; fog; rain; shadow; smoke; star; moon; sun; planet
"""
NOUNS: tuple[str, ...] = tuple(word.strip() for word in _WORDS.split(";"))
