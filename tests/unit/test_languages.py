"""The languages of made-up sentences, and that what is not English is unsure."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import UNSURE, Analysis
from domain.topics import BUILT_IN
from llm.offline.analyzer import row_of
from llm.offline.child import ENCODER, analyse_text
from llm.offline.languages import _english, language_of
from llm.offline.text import clean

SENTENCES = {
    "de": (
        "Mein Paket ist seit zwei Wochen unterwegs und niemand antwortet mir",
        "Die Rechnung stimmt nicht, ich habe den Betrag schon bezahlt",
        "Seit gestern Abend funktioniert das Internet bei uns überhaupt nicht mehr",
        "Vielen Dank für die schnelle Hilfe, das war wirklich ausgezeichnet",
        "Können Sie mir bitte sagen, wann der Laden am Samstag öffnet?",
        "ich warte jetzt schon über eine stunde in der leitung, das geht gar nicht",
    ),
    "es": (
        "Mi pedido lleva dos semanas de retraso y nadie me contesta",
        "La factura está mal, ya pagué esa cantidad el mes pasado",
        "Desde anoche no funciona internet en toda la casa",
        "Muchas gracias por la ayuda tan rápida, ha sido estupendo",
        "¿Me pueden decir a qué hora abre la tienda el sábado?",
        "llevo mas de una hora esperando en el telefono y nada",
    ),
    "fr": (
        "Mon colis a deux semaines de retard et personne ne me répond",
        "La facture est fausse, j'ai déjà payé cette somme le mois dernier",
        "Depuis hier soir internet ne marche plus du tout chez nous",
        "Merci beaucoup pour votre aide rapide, c'était vraiment parfait",
        "Pouvez-vous me dire à quelle heure le magasin ouvre samedi ?",
        "ca fait plus d'une heure que j'attends au telephone",
    ),
    "it": (
        "Il mio pacco è in ritardo di due settimane e nessuno risponde",
        "La fattura è sbagliata, ho già pagato questa somma il mese scorso",
        "Da ieri sera internet non funziona più in tutta la casa",
        "Grazie mille per l'aiuto così veloce, siete stati bravissimi",
        "Vorrei disdire il mio abbonamento ma non trovo il pulsante",
        "aspetto al telefono da piu di un'ora e non risponde nessuno",
    ),
    "nl": (
        "Mijn pakket is al twee weken te laat en niemand geeft antwoord",
        "De rekening klopt niet, ik heb dit bedrag al betaald",
        "Sinds gisteravond doet het internet het hier helemaal niet meer",
        "Heel erg bedankt voor de snelle hulp, het was geweldig",
        "De chauffeur was onbeleefd en sloeg de deur dicht",
        "ik wacht al meer dan een uur aan de telefoon en er gebeurt niks",
    ),
    "pl": (
        "Moja paczka spóźnia się już dwa tygodnie i nikt nie odpowiada",
        "Rachunek jest błędny, zapłaciłem tę kwotę w zeszłym miesiącu",
        "Od wczoraj wieczorem internet w ogóle nie działa",
        "Bardzo dziękuję za szybką pomoc, było znakomicie",
        "Chcę zrezygnować z abonamentu, ale nie mogę znaleźć przycisku",
        "czekam na telefonie juz ponad godzine i nikt nie odbiera",
    ),
    "pt": (
        "A minha encomenda está duas semanas atrasada e ninguém responde",
        "A fatura está errada, já paguei este valor no mês passado",
        "Desde ontem à noite a internet não funciona em casa",
        "Muito obrigado pela ajuda rápida, foi excelente",
        "O motorista foi grosseiro e bateu a porta com força",
        "estou ha mais de uma hora esperando no telefone e ninguem atende",
    ),
    "sv": (
        "Mitt paket är två veckor försenat och ingen svarar mig",
        "Fakturan stämmer inte, jag har redan betalat beloppet",
        "Tack så mycket för den snabba hjälpen, det var utmärkt",
    ),
    "ja": (
        "荷物が二週間も遅れているのに、誰も返事をしてくれません",
        "支払い方法がわかりません",
    ),
    "ru": ("Моя посылка опаздывает на две недели, и никто не отвечает", "Ужасный сервис"),
    "zh": ("我的包裹已经迟了两个星期，没有人回复我的邮件",),
    "ar": ("طردي متأخر أسبوعين ولا أحد يجيب على رسائلي أبدا",),
}
ENGLISH = (
    "My parcel is two weeks late and nobody answers me",
    "The bill is wrong, I paid this amount last month",
    "thanks a lot for the quick help guys",
    "still on hold smh",
    "AWFUL crew, lost bags, never again!!!",
    "@shop do not lose my luggage pls http://example.com/que-pasa",
    "Flight 123 cancelled twice, rebooked onto a later one",
)
TOO_LITTLE = ("yikes", "lol", "ok", "", "42", "😍😍", "im still on hold", "@hola @amigo")


@pytest.mark.parametrize(
    ("code", "text"), [(code, text) for code, texts in SENTENCES.items() for text in texts]
)
def test_a_sentence_of_another_language_is_unsure_and_its_language_is_known(code: str, text: str) -> None:
    found = analyse_text(text, BUILT_IN)

    assert found.language == code
    assert (found.sentiment, found.score, found.confidence) == (UNSURE, 0, 0)
    assert found.clusters == ("other_language",)
    assert code in found.reasoning


@pytest.mark.parametrize("text", ENGLISH)
def test_an_english_sentence_has_a_score(text: str) -> None:
    found = analyse_text(text, BUILT_IN)

    assert found.language == "en"
    assert not found.is_unsure


@pytest.mark.parametrize("text", TOO_LITTLE)
def test_what_may_be_english_has_a_score_and_no_language(text: str) -> None:
    found = analyse_text(text, BUILT_IN)

    assert found.language is None
    assert not found.is_unsure


def test_the_language_is_the_customers() -> None:
    said = f"customer: {SENTENCES['de'][0]}\nagent: We are sorry about the delay of your parcel, please wait."

    assert analyse_text(said, BUILT_IN).language == "de"


def test_a_few_foreign_words_in_english_leave_it_english() -> None:
    said = "Please tell me what 'muchas gracias por la ayuda' means, the app shows it after the payment"

    assert language_of(clean(said)) == ("en", False)


def test_half_a_text_in_english_is_not_taken_for_another_language() -> None:
    said = "Now watching Fashion King, hmm, ito nmn ang pagkakaabalahan, hooked agad sa first episode"

    assert not language_of(clean(said)).foreign


def test_words_that_count_as_english_are_in_no_other_sentence_often() -> None:
    shares = []
    for text in (text for texts in SENTENCES.values() for text in texts):
        words = text.lower().split()
        shares.append(sum(word in _english() for word in words) / len(words))

    assert max(shares) < 0.15


def test_a_list_of_topics_of_ones_own_has_the_topic_of_other_languages_too() -> None:
    assert analyse_text(SENTENCES["fr"][0], {"gift_card": "", "rest": ""}).clusters == ("other_language",)


@given(
    st.one_of(
        st.text(), st.text(st.characters(codec="utf-8"), max_size=60).map("Danke, {} und tschüss".format)
    )
)
def test_any_text_has_a_language_or_none(text: str) -> None:
    code, foreign = language_of(clean(text))

    assert code is None or (len(code) == 2 and code.isascii())
    assert not (foreign and code == "en")


@pytest.mark.parametrize(("code", "unsure"), [*product(["en", "sv", None], [True, False])])
def test_a_row_of_the_child_is_read_as_it_was_meant(code: str | None, unsure: bool) -> None:
    score = None if unsure else -0.5
    row = {
        "sentiment_score": score,
        "clusters": ["delay"],
        "confidence": 0,
        "reasoning": "x",
        "language": code,
    }

    found = row_of(row)

    assert isinstance(found, Analysis)
    assert (found.language, found.is_unsure, found.score) == (code, unsure, 0 if unsure else -5_000)
    assert found.raw == ENCODER.encode(row)
