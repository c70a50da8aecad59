/* nsexplore._spawn: spawn.h for Python, and nothing of its own.
 *
 * Limited API (abi3): one wheel per architecture serves every CPython from 3.11 on.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "request.h"
#include "spawn.h"

#include <errno.h>

typedef struct {
    PyObject_HEAD
    struct spawn spawn;
    struct request_store store;
    int busy; /* a thread is inside, without the GIL */
} SpawnObject;

/* ---- the type ---- */

static PyObject *Spawn_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (kwargs && PyDict_Size(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Spawn takes no keyword arguments");
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    SpawnObject *self = (SpawnObject *)alloc(type, 0);
    if (!self)
        return NULL;
    spawn_init(&self->spawn);
    if (request_fill(&self->spawn.request, &self->store, args)) {
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static void Spawn_dealloc(PyObject *object)
{
    SpawnObject *self = (SpawnObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->spawn.request.detached && self->spawn.reached == STOP_EXECED)
        spawn_disown(&self->spawn); /* as when the interpreter ends */
    Py_BEGIN_ALLOW_THREADS /* the end of a whole PID namespace may take its time */
    spawn_abandon(&self->spawn);
    Py_END_ALLOW_THREADS
    request_clear(&self->store);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF((PyObject *)type);
}

static int enter(SpawnObject *self)
{
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is driving this start");
        return -1;
    }
    self->busy = 1;
    return 0;
}

/* None, or (step, errno, signal) of the failure. */
static PyObject *Spawn_advance(PyObject *object, PyObject *argument)
{
    SpawnObject *self = (SpawnObject *)object;
    struct spawn *s = &self->spawn;
    const long until = PyLong_AsLong(argument);
    enum spawn_result result;

    if (until == -1 && PyErr_Occurred())
        return NULL;
    if (until < STOP_CLONED || until > STOP_EXECED) {
        PyErr_SetString(PyExc_ValueError, "no such stop");
        return NULL;
    }
    if (s->ended || !spawn_is_ours(s)) {
        PyErr_SetString(PyExc_RuntimeError, s->ended ? "this start has ended"
                                                     : "a forked copy cannot go on with a start");
        return NULL;
    }
    if (enter(self))
        return NULL;
    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        result = spawn_advance(s, (enum spawn_stop)until);
        Py_END_ALLOW_THREADS
        if (result != SPAWN_INTERRUPTED)
            break;
        if (PyErr_CheckSignals()) { /* KeyboardInterrupt: nothing is left behind */
            Py_BEGIN_ALLOW_THREADS
            spawn_abandon(s);
            Py_END_ALLOW_THREADS
            self->busy = 0;
            return NULL;
        }
    }
    self->busy = 0;
    if (result == SPAWN_FAILED)
        return Py_BuildValue("(iii)", (int)s->failed_step, s->failed_errno, s->killed_by);
    Py_RETURN_NONE;
}

static PyObject *Spawn_abandon(PyObject *object, PyObject *unused)
{
    SpawnObject *self = (SpawnObject *)object;
    (void)unused;
    if (enter(self))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    spawn_abandon(&self->spawn);
    Py_END_ALLOW_THREADS
    self->busy = 0;
    Py_RETURN_NONE;
}

static PyObject *Spawn_disown(PyObject *object, PyObject *unused)
{
    SpawnObject *self = (SpawnObject *)object;
    (void)unused;
    if (enter(self))
        return NULL;
    if (self->spawn.reached != STOP_EXECED) {
        self->busy = 0;
        PyErr_SetString(PyExc_RuntimeError, "only a started process can be let go");
        return NULL;
    }
    spawn_disown(&self->spawn);
    self->busy = 0;
    Py_RETURN_NONE;
}

static int append_log(PyObject *list, const struct spawn_log *log)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct spawn_record *r = &log->records[i];
        PyObject *item = Py_BuildValue("(iLLi)", (int)r->step, (long long)r->start_ns,
                                       (long long)r->end_ns, r->error);
        if (!item || PyList_Append(list, item)) {
            Py_XDECREF(item);
            return -1;
        }
        Py_DECREF(item);
    }
    return 0;
}

/* The child's log is complete only at a stop at which it waits, or after its end. */
static PyObject *Spawn_records(PyObject *object, PyObject *unused)
{
    SpawnObject *self = (SpawnObject *)object;
    const struct spawn *s = &self->spawn;
    (void)unused;
    PyObject *list = PyList_New(0);
    if (!list)
        return NULL;
    const int child_rests = s->reached >= STOP_RELEASED || s->pid == 0;
    if (append_log(list, &s->parent_log) || (child_rests && append_log(list, &s->child_log))) {
        Py_DECREF(list);
        return NULL;
    }
    return list;
}

#define GETTER(field)                                                                      \
    static PyObject *Spawn_get_##field(PyObject *self, void *unused)                       \
    {                                                                                      \
        (void)unused;                                                                      \
        return PyLong_FromLong(((SpawnObject *)self)->spawn.field);                        \
    }

GETTER(pid)
GETTER(pidfd)
GETTER(reached)

static PyMethodDef Spawn_methods[] = {
    {"advance", Spawn_advance, METH_O,
     "advance(stop) -> None or (step, errno, signal): drive the start up to a stop."},
    {"abandon", Spawn_abandon, METH_NOARGS, "Kill and reap the process, close everything."},
    {"disown", Spawn_disown, METH_NOARGS, "Close the pidfd and let the process live."},
    {"records", Spawn_records, METH_NOARGS,
     "records() -> list of (step, start_ns, end_ns, errno), the parent's, then the child's."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Spawn_getset[] = {
    {"pid", Spawn_get_pid, NULL, "PID in the caller's namespace, 0 for none.", NULL},
    {"pidfd", Spawn_get_pidfd, NULL, "Owned by this object, -1 for none.", NULL},
    {"reached", Spawn_get_reached, NULL, "The last stop reached.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Spawn_slots[] = {
    {Py_tp_new, (void *)Spawn_new},
    {Py_tp_dealloc, (void *)Spawn_dealloc},
    {Py_tp_methods, Spawn_methods},
    {Py_tp_getset, Spawn_getset},
    {Py_tp_doc, "One start. Dropping the object kills and reaps the process."},
    {0, NULL},
};

static PyType_Spec Spawn_spec = {
    "nsexplore._spawn.Spawn", sizeof(SpawnObject), 0, Py_TPFLAGS_DEFAULT, Spawn_slots,
};

/* ---- the module ---- */

static PyObject *steps_tuple(void)
{
    PyObject *tuple = PyTuple_New(STEP_COUNT);
    for (int i = 0; tuple && i < STEP_COUNT; i++) {
        const struct spawn_step_info *info = &spawn_steps[i];
        PyObject *item = Py_BuildValue("(ssO)", info->name, info->syscalls,
                                       info->by_child ? Py_True : Py_False);
        if (!item || PyTuple_SetItem(tuple, i, item))
            Py_CLEAR(tuple);
    }
    return tuple;
}

static int exec_module(PyObject *module)
{
    const int error = spawn_setup();
    if (error) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    PyObject *type = PyType_FromSpec(&Spawn_spec);
    const int failed = PyModule_AddObjectRef(module, "Spawn", type);
    Py_XDECREF(type);
    if (failed)
        return -1;
    PyObject *steps = steps_tuple();
    const int steps_failed = PyModule_AddObjectRef(module, "STEPS", steps);
    Py_XDECREF(steps);
    return steps_failed;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)exec_module},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT, "_spawn", "The native spawner.", 0, NULL, module_slots, NULL, NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__spawn(void); /* no header declares it */

PyMODINIT_FUNC PyInit__spawn(void)
{
    return PyModuleDef_Init(&module_def);
}
