"""What outlives a call: values of the module, of a class, or of a default, which no run may change."""

from __future__ import annotations

import ast

from compiled_ai.gates.code import policy
from compiled_ai.gates.code.names import Names
from compiled_ai.gates.code.nodes import called_name, can_change, last_name, own_nodes, root_of
from compiled_ai.gates.code.scopes import Imported, Parameter, Scope, Value

_CONTAINERS = frozenset({"list", "dict", "set", "deque", "Counter", "defaultdict", "OrderedDict", "bytearray"})
_MUTATING_FUNCTIONS = frozenset(
    {"heappush", "heappop", "heapify", "heapreplace", "heappushpop", "insort", "insort_left"}
)
_USED_UP = frozenset({"map", "filter", "zip", "iter", "enumerate", "reversed"})
_PARTS = frozenset({"get", "values", "items", "setdefault"})
"""Methods that hand out parts of their container, not copies."""
_BUILDING = frozenset({"__init__", "__post_init__"})
_FEW = 4
"""Names that a value may be passed on through before it is looked for no further."""


class Sharing(Names):
    """What outlives a call: values of the module, of a class, or of a default."""

    def _shared_changed(self, name: str, node: ast.AST) -> None:
        self.fault("code.state", f"{name!r} is shared by all runs and must not be changed", node)

    # ------------------------------------------------------------ what changes a value

    def _mutation(self, node: ast.Call) -> None:
        """`SEEN.append(x)`, `list.append(SEEN, x)`, `heappush(SEEN, x)`: a shared value is changed."""
        name = called_name(node)
        self._own_state(node)
        if self.script or name not in policy.MUTATORS | _MUTATING_FUNCTIONS:
            return
        bound = isinstance(node.func, ast.Attribute) and name in policy.MUTATORS
        if bound and isinstance(node.func, ast.Attribute):
            self._class_value_changed(node.func.value, node)
        unbound = node.args[:1] if name in _MUTATING_FUNCTIONS or self._is_type(node.func) else []
        for changed in ([node.func] if bound else []) + unbound:
            root = root_of(changed)
            if isinstance(root, ast.Name) and self._is_shared(root.id, self.scope):
                self._shared_changed(root.id, node)

    def _is_type(self, func: ast.expr) -> bool:
        return isinstance(func, ast.Attribute) and last_name(func.value) in _CONTAINERS

    def _stored_item(self, node: ast.Subscript) -> None:
        """`CACHE[key] = value`, also as the target of a loop or of `del`."""
        if isinstance(node.ctx, ast.Load):
            return
        self._class_value_changed(node.value, node)
        root = root_of(node)
        if isinstance(root, ast.Name) and not self.script:
            holder = self.scope.find(root.id)
            if holder is not None and (holder.kind == "module" or self._is_shared(root.id, self.scope)):
                self._shared_changed(root.id, node)

    def _grown(self, node: ast.AugAssign) -> None:
        """`seen += [x]` changes the list that `seen` stands for."""
        if not isinstance(node.target, ast.Name):
            return
        by_default = self._is_shared_default(self.scope, node.target.id)
        adds_items = isinstance(node.value, (ast.List, ast.ListComp, ast.Set, ast.Dict))
        if by_default or (adds_items and self._is_part(node.target.id, self.scope)):
            self._shared_changed(node.target.id, node)

    def _attribute(self, node: ast.Attribute) -> None:
        super()._attribute(node)
        self._kept_method(node)

    def _kept_method(self, node: ast.Attribute) -> None:
        """`push = SEEN.append`: the change happens where nobody sees what is changed."""
        above = self.parents.get(node)
        called = isinstance(above, ast.Call) and above.func is node
        if called or node.attr not in policy.MUTATORS or not isinstance(node.value, ast.Name) or self.script:
            return
        holder = self.scope.find(node.value.id)
        shared = holder is not None and holder.kind == "module" and not self._is_class(node.value.id)
        if shared and holder is not None and self._is_container(holder, node.value.id):
            self._shared_changed(node.value.id, node)

    def _own_state(self, node: ast.Call) -> None:
        """`COUNTER.hit()`, where `COUNTER = Counter()` stands in the module and `hit` changes its object."""
        func = node.func
        if self.script or self.scope.kind == "module" or not isinstance(func, ast.Attribute):
            return
        holder = self.scope.find(func.value.id) if isinstance(func.value, ast.Name) else None
        if holder is None or holder.kind != "module" or not isinstance(func.value, ast.Name):
            return
        for made in holder.values[func.value.id]:
            named = called_name(made) if isinstance(made, ast.Call) else ""
            if any(self._changes_itself(part, func.attr) for part in self.functions.get(named, ())):
                self._shared_changed(func.value.id, node)

    def _changes_itself(self, kind: ast.AST, method: str) -> bool:
        if not isinstance(kind, ast.ClassDef) or method in _BUILDING:
            return False
        return any(
            isinstance(part, ast.Attribute)
            and isinstance(part.value, ast.Name)
            and part.value.id == "self"
            and self._is_changed(part)
            for each in kind.body
            if isinstance(each, ast.FunctionDef) and each.name == method
            for part in ast.walk(each)
        )

    def _is_changed(self, part: ast.Attribute) -> bool:
        above = self.parents.get(part)
        stored = isinstance(above, ast.Subscript) and isinstance(above.ctx, ast.Store)
        return not isinstance(part.ctx, ast.Load) or stored or getattr(above, "attr", "") in policy.MUTATORS

    # ------------------------------------------------------------ what is shared

    def _is_shared(self, name: str, scope: Scope, depth: int = 0) -> bool:
        """Tells whether a name stands for a value of the module or for a default, also by another name."""
        holder = scope.find(name)
        if holder is None:
            return name not in policy.BUILTINS and self.mode == "function" and name not in _CONTAINERS
        if holder.kind == "module":
            return self.scope.kind != "module" and self._is_container(holder, name)
        if self._is_shared_default(holder, name):
            return True
        aliases = [value for value in holder.values[name] if isinstance(value, ast.Name)]
        plain = [value for value in aliases if self._plainly_assigned(name, value)]
        if depth < _FEW and any(self._is_shared(value.id, holder, depth + 1) for value in plain):
            return True
        return self._is_part(name, scope, depth)

    def _is_part(self, name: str, scope: Scope, depth: int = 0) -> bool:
        """Tells whether a name holds an item of a shared value, or what a caller passes of one."""
        holder = scope.find(name)
        values = holder.values[name] if holder is not None and holder.kind != "module" else []
        kept = [value for value in values if not self._is_added(value)]
        if holder is None or not kept or depth > _FEW:
            return False
        return all(self._is_taken(value, holder, depth) for value in kept)

    def _is_taken(self, value: Value, holder: Scope, depth: int) -> bool:
        if isinstance(value, Parameter):
            passed = self.passed(value) or []
            return any(isinstance(each, ast.Name) and self._of_module(each, where, depth) for each, where in passed)
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _PARTS:
            return self._of_module(value.func.value, holder, depth)
        if isinstance(value, (ast.Tuple, ast.List)) and isinstance(self.parents[value], (ast.For, ast.comprehension)):
            return any(isinstance(each, ast.Name) and self._of_module(each, holder, depth) for each in value.elts)
        return isinstance(value, ast.Subscript) and self._of_module(value.value, holder, depth)

    def _of_module(self, node: ast.expr, scope: Scope, depth: int) -> bool:
        root = root_of(node)
        if not isinstance(root, ast.Name) or scope.find(root.id) is None:
            return False
        return self._is_shared(root.id, scope, depth + 1)

    def _is_container(self, holder: Scope, name: str) -> bool:
        return not all(isinstance(value, Imported) for value in holder.values[name])

    def _is_shared_default(self, holder: Scope, name: str) -> bool:
        """`def f(x, seen=[])`: every call without `seen` gets the same list, unless the name is bound anew."""
        values = holder.values.get(name, [])
        first = values[0] if values else None
        if not isinstance(first, Parameter) or first.default is None or not can_change(first.default):
            return False
        return all(self._is_added(value) for value in values[1:])

    def _is_added(self, value: object) -> bool:
        """True for what `+=` adds to a name: the name still holds the same list."""
        return isinstance(value, ast.expr) and isinstance(self.parents.get(value), ast.AugAssign)

    def _class_value_changed(self, changed: ast.expr, node: ast.AST) -> None:
        """`self.items.append(x)` where `items = []` stands in the class: all instances share that list."""
        if not (isinstance(changed, ast.Attribute) and isinstance(changed.value, ast.Name)):
            return
        if changed.value.id not in ("self", "cls") or self.script or self._is_stored(changed.attr):
            return
        classes = [scope for holder, scope in self.scopes.items() if isinstance(holder, ast.ClassDef)]
        values = [value for scope in classes for value in scope.values.get(changed.attr, [])]
        if any(isinstance(value, ast.expr) and can_change(value) for value in values):
            self._shared_changed(changed.attr, node)

    def _is_stored(self, attribute: str) -> bool:
        parts = (part for part in self.parents if isinstance(part, ast.Attribute) and part.attr == attribute)
        return any(isinstance(part.ctx, ast.Store) for part in parts)

    # ------------------------------------------------------------ values that change by being used

    def _kept_value(self, value: ast.expr | None, node: ast.AST) -> None:
        """A value of the module, of a class or of a default that the first run would use up or change."""
        if value is None or self.script:
            return
        if self._is_iterator(value):
            self.fault("code.state", "an iterator that outlives the call is used up by the first; make it inside", node)
        elif isinstance(value, ast.Call) and any(
            isinstance(part, ast.Nonlocal)
            for made in self.functions.get(called_name(value), ())
            if isinstance(made, ast.FunctionDef)
            for part in ast.walk(made)
        ):
            self.fault("code.state", "a closure that changes its own variables is shared by all runs", node)

    def _is_iterator(self, value: ast.expr) -> bool:
        if isinstance(value, ast.GeneratorExp):
            return True
        if not isinstance(value, ast.Call):
            return False
        if isinstance(value.func, ast.Name) and value.func.id in _USED_UP and self.scope.find(value.func.id) is None:
            return True
        if str(self.origin(value.func)).startswith("itertools."):
            return True
        made = self.functions.get(called_name(value), ()) if isinstance(value.func, ast.Name) else ()
        return any(
            isinstance(part, (ast.Yield, ast.YieldFrom))
            for each in made
            if isinstance(each, ast.FunctionDef) and not each.decorator_list
            for part in own_nodes(each)
        )
