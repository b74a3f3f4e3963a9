"""Claims in other languages: numbers are checked everywhere, and no script is dropped as such."""

import pytest

from services.query_api.generation.verification.verdicts import Reason
from services.query_api.generation.verification.verifier import Verifier
from tests.unit.query_api.hits import make_passages

GERMAN = (
    "Die Elternzeit dauert 16 Wochen und wird mit 80 Prozent des Gehalts bezahlt. Der Antrag wird"
    " über das Portal gestellt, und zwar nicht später als zehn Wochen vor dem ersten Tag."
)
FRENCH = (
    "Le congé parental dure 16 semaines et il est payé à 80 pour cent du salaire. La demande est"
    " faite sur le portail, et une copie est envoyée à Ana Ferreira à Lisbonne."
)
SPANISH = (
    "El permiso parental dura 16 semanas y se paga al 80 por ciento del salario. La solicitud se"
    " hace en el portal, y una copia se envía a Ana Ferreira en Lisboa."
)
CHINESE = "育儿假为16周,按基本工资的80%支付。申请须通过门户网站提交,最迟在第一天前十周。"
ARABIC = "مدة إجازة الوالدين ١٦ أسبوعا وتدفع بنسبة ٨٠ في المائة من الراتب. يقدم الطلب عبر البوابة."
RUSSIAN = "Отпуск по уходу длится 16 недель и оплачивается в размере 80 процентов оклада."


@pytest.mark.parametrize(
    ("passage", "claim"),
    [
        (GERMAN, "Die Elternzeit dauert 16 Wochen."),
        (GERMAN, "Während der Elternzeit werden 80 Prozent des Gehalts bezahlt."),
        (GERMAN, "Den Antrag stellt man über das Portal."),
        (FRENCH, "Le congé parental est de 16 semaines."),
        (FRENCH, "Une copie de la demande est envoyée à Ana Ferreira."),
        (SPANISH, "El permiso parental es de 16 semanas."),
        (SPANISH, "Una copia de la solicitud se envía a Ana Ferreira en Lisboa."),
        (CHINESE, "育儿假为16周。"),
        (CHINESE, "育儿假按基本工资的80%支付。"),
        (ARABIC, "مدة إجازة الوالدين 16 أسبوعا."),
        (RUSSIAN, "Отпуск по уходу длится 16 недель."),
    ],
)
async def test_what_is_said_is_held_up(passage: str, claim: str) -> None:
    verdict = await Verifier(make_passages(passage)).check(claim)
    assert verdict.supported, verdict.why


@pytest.mark.parametrize(
    ("passage", "claim", "why"),
    [
        (GERMAN, "Die Elternzeit dauert 18 Wochen.", Reason.NUMBER),
        (GERMAN, "Hunde dürfen ins Büro mitgebracht werden.", Reason.UNLIKE),
        (FRENCH, "Le congé parental dure 18 semaines.", Reason.NUMBER),
        (FRENCH, "Une copie est envoyée à Paul Martin à Lisbonne.", Reason.NAME),
        (SPANISH, "El permiso parental dura 18 semanas.", Reason.NUMBER),
        (SPANISH, "Una copia se envía a Pablo Ruiz en Lisboa.", Reason.NAME),
        (CHINESE, "育儿假为18周。", Reason.NUMBER),
        (CHINESE, "员工可以带狗上班。", Reason.UNLIKE),
        (ARABIC, "مدة إجازة الوالدين 18 أسبوعا.", Reason.NUMBER),
        (RUSSIAN, "Отпуск по уходу длится 18 недель.", Reason.NUMBER),
    ],
)
async def test_what_is_not_said_is_not(passage: str, claim: str, why: Reason) -> None:
    assert (await Verifier(make_passages(passage)).check(claim)).why is why
