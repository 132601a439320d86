"""The language of rules: rule-engine's, cut down to what cannot hang, and checked before it is ever run.

rule-engine parses in two phases: a tree of deferred nodes, then their building, which already evaluates constant
parts (a regular expression on two literals would run there). The guard looks at the tree between the two.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import DecimalException
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from rule_engine import Context, DataType, Rule, ast
from rule_engine.errors import EngineError, RuleSyntaxError, SymbolResolutionError
from rule_engine.parser import Parser

from riskcontrol.facts import FACT_NAMES, FACTS, NUMBER, TEXT, TEXTS, TYPE_NAMES, YES_NO

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MAX_CHARACTERS = 2_000
MAX_NODES = 400
MAX_DEPTH = 40
_MOST_COMPILED = 1_000

_TYPES = {
    NUMBER: DataType.FLOAT,
    TEXT: DataType.STRING,
    YES_NO: DataType.BOOLEAN,
    TEXTS: DataType.ARRAY(DataType.STRING),
}
_FACT_TYPES = {fact.name: _TYPES[fact.type] for fact in FACTS}

_ALLOWED = frozenset(
    {
        ast.AddExpression,
        ast.ArithmeticComparisonExpression,
        ast.ArithmeticExpression,
        ast.ArrayExpression,
        ast.BooleanExpression,
        ast.Comment,
        ast.ComparisonExpression,
        ast.ContainsExpression,
        ast.DatetimeExpression,
        ast.FloatExpression,
        ast.LogicExpression,
        ast.Statement,
        ast.StringExpression,
        ast.SubtractExpression,
        ast.SymbolExpression,
        ast.TernaryExpression,
        ast.TimedeltaExpression,
        ast.UnaryExpression,
    }
)
_REFUSED_NAMES = {
    ast.FuzzyComparisonExpression: _("regular expressions"),
    ast.ComprehensionExpression: _("loops"),
    ast.FunctionCallExpression: _("function calls"),
    ast.GetAttributeExpression: _("attributes"),
    ast.GetItemExpression: _("items of a list"),
    ast.GetSliceExpression: _("slices of a list"),
    ast.NullExpression: _("null"),
}
_parser: Parser = Rule.parser  # making one of our own costs every process most of a second when it starts
_parsing = threading.Lock()


class RuleFailed(Exception):
    """A rule could not be evaluated on these facts: what then happens is for the rule's own setting to say."""


class FactUnavailable(RuleFailed):
    """A fact that the rule reads is not there."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """``needs`` are the names of the facts it reads."""

    rule: Rule
    needs: frozenset[str]

    def matches(self, facts: Mapping[str, Any]) -> bool:
        """Raises :class:`FactUnavailable` and :class:`RuleFailed`."""
        if not self.needs <= facts.keys():
            raise FactUnavailable(", ".join(sorted(self.needs - facts.keys())))
        try:
            return bool(self.rule.evaluate(facts))
        except (EngineError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
            raise RuleFailed(f"{type(error).__name__}: {getattr(error, 'message', error)}"[:200]) from error


def check_expression(expression: str) -> None:
    """A validator for forms and models: refuses what is not a rule and says why."""
    compile_expression(expression)


@lru_cache(_MOST_COMPILED)
def compile_expression(expression: str) -> Compiled:
    """The rule, ready to run. Raises ``ValidationError`` with what is wrong, for the person who wrote it."""
    if len(expression) > MAX_CHARACTERS:
        raise ValidationError(_("A condition has at most %(most)d characters."), params={"most": MAX_CHARACTERS})
    context = Context(
        type_resolver=_FACT_TYPES, default_timezone="utc", decimal_context=None, mapping_attribute_lookup=False
    )
    rule = Rule.__new__(Rule)
    rule.text, rule.context = expression, context
    try:
        deferred = _parse(expression, context)
        _check_grammar(deferred)
        rule.statement = deferred.build()
    except SymbolResolutionError as error:
        raise _unknown_fact(error) from error
    except EngineError as error:
        raise _refused(error) from error
    except (DecimalException, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ValidationError(_("The condition cannot be evaluated: %(why)s"), params={"why": str(error)}) from error
    _check_types(rule.statement.expression)
    # The parser notes symbols that were folded away too; what is left in the tree is what is read.
    needs = frozenset(node.name for node in _built_nodes(rule.statement.expression) if _is_symbol(node))
    if not needs:
        raise ValidationError(_("The condition reads no fact: it is always the same."))
    return Compiled(rule, needs)


def _parse(expression: str, context: Context) -> Any:
    """Phase one only: nothing is evaluated."""
    with _parsing:  # the generated parser keeps its state in itself
        _parser.context = context
        lexer = _parser._lexer.clone()
        lexer.lineno = 1
        try:
            return _parser._parser.parse(expression, lexer=lexer)
        finally:
            _parser.context = None


def _check_grammar(root: Any) -> None:
    """Nodes on the allow-list only, few, and not deep. Walks without recursion: the tree is not trusted yet."""
    waiting: list[tuple[Any, int]] = [(root, 0)]
    seen = 0
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, ast.ASTNodeBase):
            _check_node(type(node), ())
        elif hasattr(node, "cls"):
            _check_node(node.cls, node.args)
            waiting += [(child, depth + 1) for child in (*node.args, *node.kwargs.values())]
            seen += 1
        elif isinstance(node, (list, tuple)) or type(node).__name__ == "deque":
            waiting += [(child, depth + 1) for child in node]
        if seen > MAX_NODES or depth > MAX_DEPTH:
            raise ValidationError(_('The condition is too deep or too long: write several rules, or in ["A", "B"].'))


def _check_node(kind: type[Any], arguments: tuple[Any, ...]) -> None:
    if kind not in _ALLOWED:
        name = _REFUSED_NAMES.get(kind, kind.__name__.removesuffix("Expression").lower())
        raise ValidationError(_("Rules may not use %(what)s."), params={"what": name})
    if kind is ast.ArithmeticExpression and "pow" in (str(argument).lower() for argument in arguments[1:2]):
        raise ValidationError(_("Rules may not use %(what)s."), params={"what": _("powers")})


def _built_nodes(root: Any) -> Iterator[Any]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _children(node)


def _children(node: Any) -> list[Any]:
    names = ("left", "right", "condition", "case_true", "case_false", "container", "member")
    children = [child for name in names if isinstance(child := getattr(node, name, None), ast.ExpressionBase)]
    if isinstance(node, ast.ArrayExpression):
        children += list(node.value)
    return children


def _is_symbol(node: Any) -> bool:
    return isinstance(node, ast.SymbolExpression)


def _check_types(root: Any) -> None:
    """What rule-engine lets pass: ``currency == 5`` is never true, ``amount_minor and is_known_user`` says little."""
    if root.result_type != DataType.BOOLEAN:
        raise ValidationError(_("The condition must be true or false."))
    for node in _built_nodes(root):
        for kind, check in _CHECKS.items():
            if isinstance(node, kind):
                check(node)


def _check_symbol(node: Any) -> None:
    if node.scope:
        raise ValidationError(_("Rules may not use %(what)s."), params={"what": "$"})


def _check_logic(node: Any) -> None:
    _require_boolean(node.left, node.right)


def _check_unary(node: Any) -> None:
    if node.type == "not":
        _require_boolean(node.right)


def _check_ternary(node: Any) -> None:
    _require_boolean(node.condition)
    _require_same(node.case_true.result_type, node.case_false.result_type)


def _check_comparison(node: Any) -> None:
    _require_same(node.left.result_type, node.right.result_type)


def _check_membership(node: Any) -> None:
    container = node.container.result_type
    _require_same(node.member.result_type, getattr(container, "value_type", container))


def _require_boolean(*nodes: Any) -> None:
    if any(node.result_type != DataType.BOOLEAN for node in nodes):
        raise ValidationError(_("and, or, not and ? need true or false on each side: write a comparison."))


def _require_same(left: Any, right: Any) -> None:
    if left != right:
        raise ValidationError(
            _("A %(left)s is compared with a %(right)s: that is never true."),
            params={"left": _kind(left), "right": _kind(right)},
        )


_CHECKS = {
    ast.SymbolExpression: _check_symbol,
    ast.LogicExpression: _check_logic,
    ast.UnaryExpression: _check_unary,
    ast.TernaryExpression: _check_ternary,
    ast.ComparisonExpression: _check_comparison,
    ast.ContainsExpression: _check_membership,
}


def _kind(data_type: Any) -> "StrOrPromise":
    known = {DataType.FLOAT: NUMBER, DataType.STRING: TEXT, DataType.BOOLEAN: YES_NO}
    if data_type in known:
        return TYPE_NAMES[known[data_type]]
    return str(getattr(data_type, "name", data_type)).lower()


def _unknown_fact(error: SymbolResolutionError) -> ValidationError:
    name = error.symbol_name
    if error.suggestion in FACT_NAMES:
        return ValidationError(
            _("There is no fact named %(name)s. Did you mean %(suggestion)s?"),
            params={"name": name, "suggestion": error.suggestion},
        )
    return ValidationError(_("There is no fact named %(name)s."), params={"name": name})


def _refused(error: EngineError) -> ValidationError:
    token = getattr(error, "token", None)
    if isinstance(error, RuleSyntaxError) and token is not None:
        return ValidationError(
            _("The condition cannot be read at “%(token)s” (character %(position)d)."),
            params={"token": str(token.value)[:40], "position": token.lexpos + 1},
        )
    return ValidationError(_("The condition cannot be read: %(why)s"), params={"why": error.message})
