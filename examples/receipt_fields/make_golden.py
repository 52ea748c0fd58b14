"""Writes `golden.jsonl`: synthetic till receipts of Malaysian shops. No shop, street or number in them exists.

    python examples/receipt_fields/make_golden.py > examples/receipt_fields/golden.jsonl

A receipt is a list of boxes `[x0, y0, x1, y1, text]`, as character recognition gives it, in one of nine layouts with
five shops each. A shop keeps its head, its way of writing a date and its wordings; size, slant and order of the boxes, a
few slips of recognition, items and payment differ from receipt to receipt.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

SHOPS = (  # for each layout: the legal name ("|" where a second line begins) and the brand above it, if any
    (
        ("PASARAYA MELUR JAYA S/B", ""),
        ("KEDAI RUNCIT TOK BIDAN", ""),
        ("HARI-HARI SEGAR MART SDN BHD", ""),
        ("NILAM BORONG (PERAK) SDN. BHD.", "NILAM"),
        ("TUAH MINI MARKET", ""),
    ),
    (
        ("RESTORAN KUALI TEMBAGA", ""),
        ("HOSHI GARDEN JAPANESE KITCHEN|SDN BHD", "HOSHI"),
        ("LEMON LEAF THAI CUISINE SDN BHD", ""),
        ("OLD JETTY SEAFOOD RESTAURANT (M)|SDN. BHD.", ""),
        ("KOPITIAM PAK LONG ENTERPRISE", "PAK LONG"),
    ),
    (
        ("TEOH BAN LEE HARDWARE TRADING", ""),
        ("GUAN HIN PAINT & TOOLS|ENTERPRISE (KLANG) SDN BHD", ""),
        ("SYARIKAT PERNIAGAAN LIM CHOO", ""),
        ("KEDAI BESI KAMPUNG DURIAN", ""),
        ("MEGA SKRU (M) SDN BHD", "M S"),
    ),
    (
        ("DAPUR BONDA INTERNATIONAL SDN BHD", ""),
        ("NASI PADU VENTURES", ""),
        ("SIN KEE VEGETARIAN HOUSE SDN. BHD.", ""),
        ("WARUNG SERAI WANGI ENTERPRISE", "SERAI WANGI"),
        ("TEH TARIK CORNER (SP) SDN BHD", ""),
    ),
    (
        ("ROTI SURIA BAKERIES (KL) SDN BHD", ""),
        ("AIS BERSIH UTARA SDN BHD", ""),
        ("KILANG MEE HOCK LAI", ""),
        ("TENUSU HIJAU FOODS (M) SDN. BHD.", ""),
        ("BUMBU EMAS TRADING CO.", ""),
    ),
    (
        ("PETRO KASTURI SERVICE STATION", ""),
        ("RAHIM & ANAK PETROL TRADING", "KRISTAL FUEL"),
        ("PARKIR MUDAH SDN. BHD.", ""),
        ("DATARAN URUS REALTI SDN BHD", ""),
        ("LIEW AUTO WASH & TYRE ENTERPRISE", ""),
    ),
    (
        ("SERI FARMA HEALTHCARE SDN BHD", "CARE PLUS PHARMACY"),
        ("PUSTAKA CEMPAKA BOOK CO. (M)|SDN BHD", ""),
        ("BUNGA RAYA CAKE HOUSE SDN BHD", ""),
        ("GOLDEN LADLE CONFECTIONERY S/B", "SWEET CORNER"),
        ("ALAM KERTAS STATIONERY SHOP", ""),
    ),
    (
        ("JOM SINGGAH RETAIL SB", ""),
        ("KIOSK DUA PULUH SDN BHD", ""),
        ("CERIA DIY STORES (M) SDN BHD", ""),
        ("BINTANG MOBILE GADGETS|TRADING", ""),
        ("SARAPAN EXPRESS SDN. BHD.", "SARAPAN EXPRESS"),
    ),
    (
        ("PASAR SEGAR TIMUR|ENTERPRISE (BUKIT|INDAH) SDN BHD", ""),
        ("BAKUL IBU MART SDN BHD", "BAKUL IBU @ BLOK 4"),
        ("RIMBA HYPERMARKET (SENAWANG)|SDN BHD", ""),
        ("KEDAI SAYUR AYER PANAS", ""),
        ("SUMBER LAUT FROZEN FOOD COMPANY", ""),
    ),
)
BUILDINGS = ("PLAZA SERINDIT", "WISMA TANJAK", "KOMPLEKS MERANTI", "MENARA GANGSA")
STREETS = (
    "KENANGA BIRU {n}/{m}",
    "SETIA LUHUR {n}",
    "DATO' HARUN KECIL",
    "PBU {n}/{m}A",
    "INDUSTRI MAWAR {n}",
    "BATU UNJUR {n}",
    "TELUK RIMBA",
    "USJT {n}/{m}",
)
AREAS = (
    "TAMAN SRI ANGKASA",
    "BANDAR BARU MERPATI",
    "KAWASAN PERINDUSTRIAN JATI",
    "SEKSYEN {n}",
    "KG. PINANG TUA",
    "TAMAN DESA KELISA",
)
TOWNS = (
    ("43000", "KAJANG", "SELANGOR"),
    ("31400", "IPOH", "PERAK"),
    ("70300", "SEREMBAN", "NEGERI SEMBILAN"),
    ("75200", "MELAKA", ""),
    ("55000", "KUALA LUMPUR", ""),
    ("08000", "SUNGAI PETANI", "KEDAH"),
    ("47100", "PUCHONG", "SELANGOR D.E."),
    ("80300", "JOHOR BAHRU", "JOHOR"),
    ("25200", "KUANTAN", "PAHANG"),
    ("11900", "BAYAN LEPAS", "PENANG"),
    ("88300", "KOTA KINABALU", "SABAH"),
)
DAYS: tuple[Callable[[date], str], ...] = (
    lambda day: f"{day:%d/%m/%Y}",
    lambda day: f"{day:%d-%m-%y}",
    lambda day: f"{day:%d %b %Y}".upper(),
    lambda day: f"{day:%d/%m/%y}",
    lambda day: f"{day:%d-%m-%Y}",
    lambda day: f"{day.day}/{day.month}/{day.year}",
    lambda day: f"{day:%d/%b/%Y}".upper(),
    lambda day: f"{day:%Y-%m-%d}",
)
GOODS = (
    "SUSU SEGAR 1L",
    "BERAS WANGI 5KG",
    "SABUN CAIR 900ML",
    "BISKUT KELAPA",
    "GULA HALUS 1KG",
    "MINYAK MASAK 2KG",
    "KICAP MANIS",
    "TISU 4 ROLLS",
)
DISHES = (
    "NASI GORENG IKAN",
    "MEE KUAH (S)",
    "TEH O AIS",
    "SAYUR CAMPUR",
    "AYAM HALIA",
    "TOFU BAKAR",
    "KOPI PANAS",
    "SUP SIAM (L)",
)
WARES = (
    'PAINT BRUSH 2"',
    "PVC PIPE 20MM",
    "CEMENT 10KG",
    "WOOD SCREW 8X1",
    "CABLE TIE 100PCS",
    "LED BULB 9W",
    "SAND PAPER 120",
)
BREADS = ("ROTI PUTIH 400G", "BUN KACANG", "CR-VANILA", "WHOLEMEAL-S", "ROLL JAGUNG")
SUNDRIES = (
    "A4 PAPER 70GSM",
    "GEL PEN 0.5 BLUE",
    "VITAMIN C 30'S",
    "PLASTER 20S",
    "BUTTER CAKE SLICE",
    "NOTE BOOK F5",
    "CHEESE TART",
)


class Shop:
    """What stays the same on all receipts of a shop."""

    def __init__(self, layout: int, number: int) -> None:
        self.dice = dice = random.Random(f"receipt shop {layout} {number}")
        printed, self.brand = SHOPS[layout][number]
        self.name_lines = printed.split("|")
        self.name = " ".join(self.name_lines)
        self.registration = f"{dice.randrange(100_000, 1_299_999)}-{dice.choice('ADHKMPTUVX')}"
        self.reg_style = (layout * 3 + number) % 6
        self.gst = f"00{dice.randrange(10**9, 2 * 10**9)}"
        self.phone = f"0{dice.randrange(3, 8)}-{dice.randrange(2000, 9999)} {dice.randrange(1000, 9999)}"
        self.address_lines = self._address(dice, 2 + (layout + number) % 4)
        self.address = " ".join(self.address_lines)
        self.day = DAYS[0] if dice.random() < 0.3 else DAYS[(layout + 3 * number) % len(DAYS)]

    def _address(self, dice: random.Random, wanted: int) -> list[str]:
        def numbered(text: str) -> str:
            return text.format(n=dice.randrange(1, 30), m=dice.randrange(1, 9))

        house = dice.choice(
            ("NO. {n}", "NO {n}-G", "LOT 7{n}0{m}", "{n}A-{m}", "NO.{n} & {m}", "G-{n}", "{n}", "PT {n}{m}1")
        )
        street = f"{dice.choice(('JALAN', 'JALAN', 'JLN', 'LORONG', 'PERSIARAN'))} {numbered(dice.choice(STREETS))}"
        code, town, state = dice.choice(TOWNS)
        tail = f"{code} {town}" if dice.random() < 0.85 else f"{code}, {town}"
        parts = [f"{numbered(house)}{dice.choice((',', ',', ''))} {street}"]
        if wanted > 3 or dice.random() < 0.3:
            parts.insert(0, f"{dice.choice(('GROUND FLOOR', 'LEVEL 2', 'UNIT B-3'))}, {dice.choice(BUILDINGS)}")
        if wanted > 2:
            parts.append(numbered(dice.choice(AREAS)))
        if wanted > 4 and state:
            parts += [tail, state]
        else:
            parts.append(", ".join(filter(None, (tail, state))))
        if dice.random() < 0.2:
            parts[-1] += dice.choice((", MALAYSIA", " MALAYSIA"))
        comma = dice.choice((",", ",", ",", ""))
        lines = [f"{part}{comma}" for part in parts[:-1]] + [parts[-1] + dice.choice(("", "", "."))]
        while len(lines) > max(wanted, 2):  # the first two go into one line
            lines[:2] = [" ".join(lines[:2])]
        return lines


class Page:
    """Boxes of a receipt on a grid; `done` gives them the size, slant, order and slips of one scan."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.y = dice.randrange(20, 120)
        self.boxes: list[tuple[int, int, str, bool]] = []
        self.pitch = dice.choice((26, 29, 33))
        self.joined = dice.random() < 0.75
        """True if a label and its value at the right stand in one box."""

    def row(self, *cells: tuple[int, str], exact: bool = False, gap: float = 1.0) -> None:
        """Puts texts in one row: x from the left, or from the right where it is negative. Exact ones have no slips."""
        if self.joined and len(cells) == 2 and cells[1][0] < 0:
            cells = ((cells[0][0], f"{cells[0][1]} {cells[1][1]}"),)
        for x, text in cells:
            if text:
                self.boxes.append((x if x >= 0 else max(8, 600 + x - 11 * len(text)), self.y, text, exact))
        self.y += int(self.pitch * gap)

    def middle(self, text: str, *, exact: bool = False, gap: float = 1.0) -> None:
        self.row((max(12, 300 - 11 * len(text) // 2), text), exact=exact, gap=gap)

    def done(self, *, late: bool, slips: int) -> list[list[object]]:
        dice = self.dice
        size, left, slant = dice.choice((0.6, 0.8, 0.8, 1.0, 1.4)), dice.randrange(0, 40), dice.uniform(-0.012, 0.012)
        loose = [
            index for index, (_, _, text, exact) in enumerate(self.boxes) if not exact and re.search("[A-Z]{3}", text)
        ]
        slipped = set(dice.sample(loose, min(slips, len(loose))))
        first, last = [], []
        for index, (x, y, text, _) in enumerate(self.boxes):
            high = y + x * slant + dice.uniform(-2, 2)
            if index in slipped:
                text = slip(text, dice)
            edges = (x, high, x + 11 * len(text) + dice.randrange(-3, 4), high + dice.randrange(19, 24))
            box: list[object] = [
                int(left + edge * size) if at % 2 == 0 else int(edge * size) for at, edge in enumerate(edges)
            ]
            (last if late and x > 380 else first).append([*box, text])
        return first + last


def slip(text: str, dice: random.Random) -> str:
    """Returns the text as recognition may misread it."""
    swaps = [
        (old, new)
        for old, new in (("O", "0"), ("I", "1"), ("0", "O"), ("1", "I"), (" ", ""), ("S", "5"))
        if old in text
    ]
    old, new = dice.choice(swaps or [("", "")])
    return text.replace(old, new, 1)


class Receipt:
    """One purchase: items, tax, rounding, payment."""

    def __init__(
        self,
        shop: Shop,
        dice: random.Random,
        goods: tuple[str, ...],
        *,
        most: int = 2,
        service: bool = False,
        inclusive: bool = False,
    ) -> None:
        self.dice, self.shop = dice, shop
        self.when = date(2016, 1, 4) + timedelta(days=dice.randrange(1000))
        self.day = shop.day(self.when)
        hour, minute = dice.randrange(8, 22), dice.randrange(60)
        self.clock = dice.choice(
            (
                f"{hour:02}:{minute:02}",
                f"{hour:02}:{minute:02}:{dice.randrange(60):02}",
                f"{(hour - 1) % 12 + 1}:{minute:02} {'PM' if hour > 11 else 'AM'}",
            )
        )
        picked = dice.sample(goods, dice.randrange(1, most + 1))
        self.items = [
            (name, dice.choice((1, 1, 1, 2, 3, 6)), Decimal(dice.randrange(90, 3990)) / 100) for name in picked
        ]
        self.count = sum(count for _, count, _ in self.items)
        self.net = sum((price * count for _, count, price in self.items), Decimal(0))
        self.service = self._cents(self.net / 10) if service else Decimal(0)
        self.rate = dice.choice((6, 6, 6, 0))
        self.tax = self._cents((self.net + self.service) * self.rate / 100)
        if inclusive:
            self.tax = self._cents(self.net * self.rate / (100 + self.rate))
        self.gross = self.net + self.service + (0 if inclusive else self.tax)
        self.base = self.gross - self.tax
        self.total = (self.gross * 20).quantize(Decimal(1)) / Decimal(20)
        self.total = self.total.quantize(Decimal("0.01"))
        self.rounding = self.total - self.gross
        note = dice.choice((5, 10, 50, 50, 100))
        self.cash = self.total if dice.random() < 0.25 else (self.total // note + 1) * note
        self.change = self.cash - self.total

    @staticmethod
    def _cents(amount: Decimal) -> Decimal:
        return amount.quantize(Decimal("0.01"))

    def number(self, digits: int = 6) -> str:
        return str(self.dice.randrange(10 ** (digits - 1), 10**digits))


def money(amount: Decimal, mark: str = "") -> str:
    return f"{mark}{amount:,.2f}"


def head(shop: Shop, page: Page, *, below: str = "") -> None:
    """Brand, name, registration number in one of six styles, address, telephone and GST number."""
    if shop.brand:
        page.middle(shop.brand, exact=True, gap=1.3)
    *before, last = shop.name_lines
    for line in before:
        page.middle(line, exact=True)
    beside = {0: f"{last} ({shop.registration})", 4: f"{last} {shop.registration}"}.get(shop.reg_style, last)
    page.middle(beside, exact=True)
    if below:
        page.middle(below, exact=True)
    under = {
        1: f"({shop.registration})",
        2: f"CO. REG NO : {shop.registration}",
        3: shop.registration,
    }.get(shop.reg_style)
    if under:
        page.middle(under)
    gst = page.dice.choice
    label = ("GST ID NO : ", "GST REG NO: ", "(GST ID: ", "GST NO. ")[int(shop.gst) % 4]
    if shop.reg_style == 5:
        page.middle(f"{label}{shop.gst}{')' if label[0] == '(' else ''}")
    address(shop, page, phone=shop.reg_style == 4)
    if shop.reg_style == 3:
        page.row((90, f"TEL: {shop.phone}"), (330, f"FAX: {shop.phone[:-1]}{gst('0123')}"))
    elif shop.reg_style != 4:
        page.middle(f"{('TEL : ', 'TEL NO. ', 'TEL & FAX: ', '')[int(shop.gst) // 4 % 4]}{shop.phone}")
    if shop.reg_style != 5:
        page.middle(f"{label}{shop.gst}{')' if label[0] == '(' else ''}")


def address(shop: Shop, page: Page, *, phone: bool = False, slips: float = 0.05) -> None:
    for index, line in enumerate(shop.address_lines):
        if page.dice.random() < slips / len(shop.address_lines):
            line = line.replace(", ", ",", 1)
        shown = f"{line} TEL:{shop.phone}" if phone and index == len(shop.address_lines) - 1 else line
        page.middle(shown, exact=True)


def summary(sale: Receipt, page: Page, *, total: bool = False) -> None:
    """The GST summary below the payment, with amounts that are none of the asked."""
    if sale.dice.random() < 0.5:
        return
    page.row((30, "GST SUMMARY"), (250, "AMOUNT(RM)"), (460, "TAX(RM)"), gap=1.2)
    base, tax = money(sale.base), money(sale.tax)
    page.row((30, f"{sale.dice.choice(('SR', 'S', 'SR @'))} {sale.rate}%"), (-240, base), (-40, tax))
    if total:
        page.row((150, "TOTAL :"), (-240, base), (-40, tax))


def mart(sale: Receipt, page: Page) -> None:
    shop, dice, fixed = sale.shop, sale.dice, sale.shop.dice
    head(shop, page)
    page.middle(f"INVOICE NO : {sale.number(5)}/7/K{sale.number(4)}", gap=1.6)
    page.row((20, sale.clock), (250, sale.number()), (-40, sale.day), exact=True, gap=1.6)
    for name, count, price in sale.items:
        page.row((20, f"{sale.number(4)} {name}"))
        page.row((50, f"@{count} X RM {price}"), (-30, f"RM{price * count} S"), gap=1.3)
    first = fixed.choice(("TOTAL SALES (INCLUSIVE GST) RM", "TOTAL INCL. GST RM", "TOTAL AMT INCL. GST @6%"))
    if dice.random() < 0.3:
        page.row((-190, "TOTAL EXCL. GST RM"), (-40, money(sale.base)))
    page.row((-190, first), (-40, money(sale.gross)))
    page.row((-190, "ROUNDING ADJUSTMENT RM"), (-40, money(sale.rounding).replace("0.", ".")))
    page.row(
        (-190, fixed.choice(("ROUNDED TOTAL RM", "TOTAL ROUNDED RM", "ROUNDING RM"))),
        (-40, money(sale.total)),
        exact=True,
    )
    page.row((-190, "CASH RM"), (-40, money(sale.cash)))
    page.row((-190, "CHANGE RM"), (-40, money(sale.change)), gap=1.5)
    summary(sale, page)
    page.middle("THANK YOU. PLEASE COME AGAIN")


def restaurant(sale: Receipt, page: Page) -> None:
    shop, dice, fixed = sale.shop, sale.dice, sale.shop.dice
    head(shop, page)
    page.middle(fixed.choice(("TAX INVOICE", "-TAX INVOICE-", "GUEST CHECK")), gap=1.4)
    page.row((30, f"BILL NO : {sale.number(2)}H-{sale.number(5)}"))
    page.row((30, fixed.choice(("DATE", "BIZDATE", "DATE & TIME"))), (190, f": {sale.day} {sale.clock}"), exact=True)
    page.row((30, "TABLE NO"), (190, f": T{dice.randrange(1, 40):02}"), (400, f"PAX: {dice.randrange(1, 9)}"))
    page.row((30, "QTY DESCRIPTION"), (440, "AMOUNT"), gap=1.3)
    for name, count, price in sale.items:
        page.row((50, f"{count} {name} @ {price}"), (-30, f"{money(price * count)} SR"))
    page.row(
        (60, str(sale.count)),
        (-230, fixed.choice(("TOTAL :", "SUB TOTAL :", "TOTAL (EXCLUDING GST) :"))),
        (-60, money(sale.net)),
    )
    if dice.random() < 0.4:
        page.row((-230, "DISCOUNT :"), (-60, "(.00)"))
    page.row((-230, fixed.choice(("SERVICE CHG 10.00% :", "SERV. CHARGE (10%) :"))), (-60, money(sale.service)))
    page.row((-230, fixed.choice(("GST :", "GST PAYABLE:", f"GST {sale.rate}% :"))), (-60, money(sale.tax)))
    page.row(
        (-230, fixed.choice(("GRAND TOTAL :", "TOTAL (INCLUSIVE OF GST) :", "TOTAL INCL GST :"))),
        (-60, money(sale.gross)),
    )
    page.row(
        (-230, fixed.choice(("ROUNDING ADJ :", "ROUNDING ADJUSTMENT:", "CENT ROUNDING:"))), (-60, money(sale.rounding))
    )
    page.row(
        (-230, fixed.choice(("NET TOTAL :", "TOTAL :", "NETT TOTAL :", "TOTAL DUE :"))),
        (-60, money(sale.total)),
        exact=True,
        gap=1.3,
    )
    if dice.random() < 0.6:
        page.row((30, f"CLOSED: {dice.randrange(1, 4)}"), (330, sale.day), (-20, sale.clock), exact=True)
        page.row((30, "CASH :"), (-60, money(sale.cash)))
    summary(sale, page)


def hardware(sale: Receipt, page: Page) -> None:
    shop, dice, fixed = sale.shop, sale.dice, sale.shop.dice
    top = fixed.random() < 0.5
    if top:
        page.middle("SIMPLIFIED TAX INVOICE", gap=1.3)
    head(shop, page)
    if not top:
        page.middle("TAX INVOICE")
    if dice.random() < 0.4:
        page.row((20, "BILL TO :"))
        page.row((20, dice.choice(("MAJU LORI TRANSPORT SDN BHD", "BINA DUA CONSTRUCTION", "SEKOLAH RENDAH MELATI"))))
        page.row((20, f"NO {dice.randrange(2, 40)} JALAN AWAN {dice.randrange(2, 9)}"))
        page.row((20, "43500 SEMENYIH SELANGOR"))
    else:
        page.row((20, "CASH"), gap=1.2)
    page.row((20, "DOC NO."), (110, f": CS{sale.number(8)}"), (360, f"DATE: {sale.day}"), exact=True)
    page.row((20, "CASHIER : USER"), (360, f"TIME: {sale.clock}"), exact=True)
    page.row((20, "ITEM QTY"), (310, "S/PRICE"), (440, "AMOUNT"))
    for name, count, price in sale.items:
        page.row((20, name))
        page.row(
            (20, f"{sale.number(4)} {count}.00 PCS"),
            (310, money(price)),
            (440, money(price * count)),
        )
    page.row((40, f"TOTAL QTY: {sale.count}"), (-80, money(sale.net)))
    gst = fixed.choice(("TOTAL SALES (EXCLUDING GST) :", "SUB-TOTAL (GST)", "TOTAL EXCL. GST :"))
    page.row((-200, gst), (-80, money(sale.net)))
    if dice.random() < 0.4:
        page.row((-200, "DISCOUNT :"), (-80, "0.00"))
    page.row((-200, "TOTAL GST :"), (-80, money(sale.tax)))
    page.row((-200, "ROUNDING :"), (-80, money(sale.rounding)))
    last = fixed.choice(("TOTAL SALES (INCLUSIVE OF GST) :", "TOTAL", "TOTAL INCL OF GST :"))
    page.row((-200, last), (-80, money(sale.total)), exact=True)
    page.row((-200, f"CASH : {money(sale.cash)}"))
    page.row((-200, f"CHANGE : {money(sale.change)}"), gap=1.4)
    summary(sale, page, total=True)


def stall(sale: Receipt, page: Page) -> None:
    shop, dice, fixed = sale.shop, sale.dice, sale.shop.dice
    head(shop, page, below=f"{sale.day} {sale.clock}")
    mark = dice.choice(("RM", "RM", "$"))
    page.middle("TAX INVOICE")
    page.row((20, f"INVOICE # : OR{sale.number(8)}26"), gap=1.4)
    page.row((20, "ITEM QTY"), (520, "TOTAL"))
    for name, count, price in sale.items:
        page.row((20, f"SR M{sale.number(4)}- {name}"))
        page.row((20, money(price, mark)), (265, str(count)), (-20, money(price * count, mark)), gap=1.2)
    words = (
        fixed.choice(("TOTAL AMOUNT", "SUBTOTAL", "TOTAL")),
        fixed.choice(("NETT TOTAL", "GRAND TOTAL", "ROUNDED TOTAL")),
    )
    page.row((-20, f"{words[0]}: {money(sale.net, mark)}"))
    page.row((-20, f"GST @{sale.rate}%: {money(sale.tax, mark)}"))
    if sale.rounding or dice.random() < 0.5:
        page.row((-20, f"ROUNDING: {money(sale.rounding, mark)}"))
    page.row((-20, f"{words[1]}: {money(sale.total, mark)}"), exact=True, gap=1.4)
    page.row((20, "CASH"), (-20, money(sale.cash, mark)))
    page.row((20, "CHANGE"), (-20, money(sale.change, mark)), gap=1.4)
    summary(sale, page)
    page.middle(dice.choice(("SEE YOU AGAIN!", "(PRICE INCLUSIVE OF GST)", "THANK YOU & COME AGAIN!")))


def delivery(sale: Receipt, page: Page) -> None:
    shop, dice, fixed = sale.shop, sale.dice, sale.shop.dice
    page.middle(fixed.choice(("OFFICE COPY", "CUSTOMER'S COPY", "** DUPLICATE **")), gap=1.6)
    head(shop, page)
    page.middle("TAX INVOICE / DELIVERY NOTE", gap=1.2)
    page.row((230, f"INV NO.: {sale.number(4)}B{sale.number(3)}"))
    page.row((20, f"RT{sale.number(3)}"), (330, f"DATE: {sale.day}"), exact=True)
    page.row(
        (20, dice.choice(("ORKID FRESH MARKET SDN BHD", "RESTORAN SELERA AYAH", "KOPERASI WARGA BUKIT"))), exact=True
    )
    page.row((20, f"LOT {sale.number(3)}, JALAN PADI {dice.randrange(2, 9)},"))
    page.row((20, "48000 RAWANG, SELANGOR"))
    page.row((230, f"DD: {sale.day}"), (440, sale.clock), exact=True)
    page.row((20, "DESCRIPTION"), (230, "U.P"), (300, "ISS EXC"), (470, "AMT(RM)"))
    for name, count, price in sale.items:
        page.row((20, name), (225, money(price)), (305, str(count)), (365, "0"), (-30, money(price * count)))
    if sale.rate:
        page.row((-200, "TOTAL 6% SUPPLIES (EXCL. GST):"), (-90, money(sale.net)), gap=1.4)
        page.row((-200, "GST:"), (-90, money(sale.tax)), gap=1.4)
        page.row((-200, "TOTAL 6% SUPPLIES (INC. GST):"), (-90, money(sale.gross)), gap=1.4)
    else:
        page.row((-200, "TOTAL 0% SUPPLIES:"), (-90, money(sale.net)), gap=1.4)
    sale.total = sale.gross  # an account is not rounded
    page.row(
        (-200, fixed.choice(("TOTAL PAYABLE:", "TOTAL AMOUNT DUE:", "NETT PAYABLE:"))),
        (-90, money(sale.total)),
        exact=True,
        gap=1.4,
    )


def counter(sale: Receipt, page: Page) -> None:
    shop, dice, fixed = sale.shop, sale.dice, sale.shop.dice
    sale.total = (sale.total * 2).quantize(Decimal(1)) / Decimal(2)
    sale.cash = sale.total + dice.choice((0, 5, 10))
    sale.change = sale.cash - sale.total
    head(shop, page)
    page.middle(fixed.choice(("TAX INVOICE", "RECEIPT", "OFFICIAL RECEIPT")))
    page.row((20, f"INV-NO.{sale.number(8)}"), (400, f"P/S #{dice.randrange(1, 9):02}"))
    parking = "SDN" in shop.name
    if parking:
        page.row((20, "ENTRY TIME"), (230, f"{sale.day} 08:{dice.randrange(10, 59)}"), exact=True)
        page.row((20, "PAY TIME"), (230, f"{sale.day} {sale.clock}"), exact=True)
        page.row((20, f"LENGTH OF STAY: 0 DY. {dice.randrange(1, 6)} HR. {dice.randrange(1, 59)} MIN."))
        page.row((20, "PAY PARKING TICKET"), (-60, money(sale.total, "RM")))
    else:
        page.row((20, f"{dice.randrange(10, 48)}.{sale.number(2)} LITRE"), (330, f"PUMP # {dice.randrange(1, 9):02}"))
        page.row((20, dice.choice(("RON 95", "DIESEL B7", "RON 97"))), (-120, "RM"), (-30, money(sale.total) + " A"))
    mark = dice.choice(("RM", "RM ", ""))
    page.row(
        (20, fixed.choice(("TOTAL", "TOTAL (RM)", "TOTAL AMOUNT", "TOTAL DUE"))),
        (-60, money(sale.total, mark)),
        exact=True,
        gap=1.4,
    )
    paid = dice.choice(("CASH", "VISA", "ACCEPTED TOTAL"))
    page.row((20, paid), (-60, money(sale.cash if paid != "VISA" else sale.total, mark)))
    if paid != "VISA":
        page.row((20, "CHANGE"), (-60, money(sale.change, mark)))
    page.row((20, f"GST {sale.rate}% INCLUDED"), (-60, money((sale.total * sale.rate / 106).quantize(Decimal("0.01")))))
    if not parking:
        page.row((20, "DATE"), (200, "TIME"), (330, "POS"))
        page.row((20, sale.day), (200, sale.clock), (330, sale.number(5)), exact=True)
    page.middle("DRIVE SAFELY")


def shelf(sale: Receipt, page: Page) -> None:
    shop, dice, fixed = sale.shop, sale.dice, sale.shop.dice
    head(shop, page)
    page.middle(f"WWW.{shop.name.split(' ')[0]}{dice.choice(('', '-ONLINE'))}.EXAMPLE")
    label = fixed.choice(("DATE", "RECEIPT #: C{} DATE", "INV DATE")).format(sale.number(5))
    page.row((20, f"{label}: {sale.day} {sale.clock}"), exact=True)
    page.row((20, f"MEMBER NUMBER: {sale.number(9)}"), gap=1.3)
    off = Decimal(0)
    for name, count, price in sale.items:
        page.row((20, name), (330, str(count)), (-20, money(price * count, "RM") + " ST"))
        if dice.random() < 0.4:
            less = (price * count / 10).quantize(Decimal("0.01"))
            page.row((20, "DISCOUNT"), (-120, f"RM-{less}"))
            off += less
    gross = sale.gross - off
    sale.total = ((gross * 20).quantize(Decimal(1)) / Decimal(20)).quantize(Decimal("0.01"))
    page.row((20, f"ITEM(S) : {len(sale.items)}"), (-60, f"QTY(S) : {sale.count}"))
    page.row(
        (-200, fixed.choice(("TOTAL (INCL GST)", f"SUBTOTAL INCL GST {sale.rate}%", "TOTAL RM INCL. OF GST"))),
        (-60, money(gross, "RM")),
    )
    page.row((-200, fixed.choice(("ROUNDING", "ROUNDING ADJ", "ROUND ADJ"))), (-60, money(sale.total - gross, "RM")))
    page.row(
        (-200, fixed.choice(("GRAND TOTAL", "FINAL TOTAL", "TOTAL", "NETT TOTAL"))),
        (-60, money(sale.total, "RM")),
        exact=True,
    )
    paid = sale.total + dice.choice((0, 5, 10, 20))
    page.row((-200, fixed.choice(("TOTAL PAID", "CASH", "TENDERED"))), (-60, money(paid, "RM")))
    page.row((-200, "CHANGE"), (-60, money(paid - sale.total, "RM")), gap=1.5)
    if off:
        page.row((20, "TOTAL SAVINGS"), (-60, money(off, "RM")))
    page.row((20, f"*GST @ {sale.rate}% INCLUDED IN TOTAL"), (-60, money(sale.tax, "RM")))
    if dice.random() < 0.4:
        page.row((20, f"POS 3.1 {sale.day}"), exact=True)


def kiosk(sale: Receipt, page: Page) -> None:
    shop, fixed = sale.shop, sale.shop.dice
    page.row((20, fixed.choice(("THANKS FOR DROPPING BY", "WELCOME", "THANK YOU, PLEASE COME AGAIN"))), gap=1.3)
    if fixed.random() < 0.5:  # the address above the name
        address(shop, page)
        page.row((20, f"HELPLINE : 1300 {sale.number(4)}"))
        *before, last = shop.name_lines
        for line in before:
            page.row((20, line), exact=True)
        page.row((20, f"{last} ({shop.registration}){fixed.choice(('', ' FKA BULAN STORES SB'))}"), exact=True)
        page.row((20, f"TAX REG ID {shop.gst}"), gap=1.4)
    else:
        head(shop, page)
    page.row((100, "QTY"), (200, "PRICE"), (310, "DISC"), (420, "AMT"))
    for name, count, price in sale.items:
        page.row((20, name))
        page.row((110, str(count)), (200, money(price)), (310, "0.00"), (-130, money(price * count)), (490, "SR"))
    page.row((20, "SUB TOTAL"), (-90, money(sale.net)), gap=1.2)
    if sale.rate:
        page.row((20, f"GST {sale.rate}%"), (-90, money(sale.tax)))
    if sale.rounding:
        page.row((20, "ROUNDING ADJ."), (-90, money(sale.rounding)))
    page.row(
        (20, fixed.choice(("GRAND TOTAL", "TOTAL (INCL.GST)", "TOTAL (RM)", "AMOUNT DUE"))),
        (-90, money(sale.total)),
        exact=True,
        gap=1.3,
    )
    page.row((20, f"CASH {money(sale.cash)} MYR"), (-90, money(sale.cash)))
    page.row((20, "CHANGE DUE"), (-90, money(sale.change)), gap=1.4)
    page.row((20, "TOTAL QTY"), (280, str(sale.count)))
    summary(sale, page)
    page.row((20, f"{sale.day} {sale.clock}"), exact=True)
    page.row((20, f"BILL {sale.number(4)} - {sale.number(3)} - {sale.number(4)}"))


def grocer(sale: Receipt, page: Page) -> None:
    shop, dice = sale.shop, sale.dice
    head(shop, page)
    page.row((20, f"KB{sale.number(12)}"), (330, f"{sale.day} {sale.clock}"), exact=True)
    page.row((20, dice.choice(("CASHIER: MIN MIN", "CASHIER: NURUL", "CASHIER : 003"))), gap=1.3)
    for name, count, price in sale.items:
        page.row((20, name))
        page.row((30, f"955{sale.number(10)}"), (260, f"{price}*{count}"), (-40, f"{money(price * count)} S"))
    saved = dice.choice(("0.00", "0.00", "1.20"))
    page.row((20, f"ITEM: {len(sale.items)}"), (-110, f"TOTAL WITH GST @ {sale.rate}%"), (-20, money(sale.gross)))
    page.row((20, f"QTY: {sale.count}"), (-110, "ROUNDING"), (-20, money(sale.rounding)))
    page.row((20, f"TOTAL SAVING: {saved}"), (-110, "TOTAL"), (-20, money(sale.total)), exact=True)
    page.row((-110, "CASH"), (-20, money(sale.cash)))
    page.row((-110, "CHANGE"), (-20, money(sale.change)), gap=1.4)
    page.middle(dice.choice(("GOODS SOLD ARE NOT RETURNABLE", "PLEASE KEEP THIS RECEIPT")))


LAYOUTS: tuple[tuple[Callable[[Receipt, Page], None], tuple[str, ...]], ...] = (
    (mart, GOODS),
    (restaurant, DISHES),
    (hardware, WARES),
    (stall, DISHES),
    (delivery, BREADS),
    (counter, GOODS),
    (shelf, SUNDRIES),
    (kiosk, SUNDRIES),
    (grocer, GOODS),
)


def main() -> None:
    """Prints 108 cases: nine layouts, five shops in each, two or three receipts of each shop."""
    for index in range(108):
        dice = random.Random(f"receipt {index}")
        which = index % len(LAYOUTS)
        layout, goods = LAYOUTS[which]
        shop, page = Shop(which, index // len(LAYOUTS) % 5), Page(dice)
        sale = Receipt(
            shop,
            dice,
            goods,
            most=4 if dice.random() < 0.2 else 2,
            service=layout is restaurant,
            inclusive=layout in (mart, stall, shelf, grocer),
        )
        layout(sale, page)
        case = {
            "id": f"synthetic-{index:03}",
            "group": shop.name,
            "input": {"lines": page.done(late=dice.random() < 0.3, slips=dice.choice((0, 0, 1, 2, 3)))},
            "expected": {
                "company": shop.name,
                "date": sale.when.isoformat(),
                "address": shop.address,
                "total": f"{sale.total:.2f}",
            },
        }
        print(json.dumps(case, ensure_ascii=False))


if __name__ == "__main__":
    main()
