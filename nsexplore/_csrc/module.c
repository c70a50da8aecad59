/* nsexplore._spawn: spawn.h and seeing.h for Python, and nothing of its own.
 *
 * Limited API (abi3): one wheel per architecture serves every CPython from 3.11 on.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "request.h"
#include "seeing.h"
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

/* What spawn_advance() and spawn_attempt() are asked to do. */
struct errand {
    enum spawn_stop until; /* STOP_NOTHING: a trial */
    enum spawn_trial trial;
    unsigned long argument;
};

static enum spawn_result run(struct spawn *s, struct errand errand)
{
    return errand.until == STOP_NOTHING ? spawn_attempt(s, errand.trial, errand.argument)
                                        : spawn_advance(s, errand.until);
}

/* SPAWN_INTERRUPTED: a Python exception is set, and the start has ended. */
static enum spawn_result drive(SpawnObject *self, struct errand errand)
{
    struct spawn *s = &self->spawn;
    enum spawn_result result;

    if (s->ended || !spawn_is_ours(s)) {
        PyErr_SetString(PyExc_RuntimeError, s->ended ? "this start has ended"
                                                     : "a forked copy cannot go on with a start");
        return SPAWN_INTERRUPTED;
    }
    if (enter(self))
        return SPAWN_INTERRUPTED;
    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        result = run(s, errand);
        Py_END_ALLOW_THREADS
        if (result != SPAWN_INTERRUPTED)
            break;
        if (PyErr_CheckSignals()) { /* KeyboardInterrupt: nothing is left behind */
            Py_BEGIN_ALLOW_THREADS
            spawn_abandon(s);
            Py_END_ALLOW_THREADS
            break;
        }
    }
    self->busy = 0;
    return result;
}

/* None, or (step, errno, signal) of the failure. */
static PyObject *Spawn_advance(PyObject *object, PyObject *argument)
{
    SpawnObject *self = (SpawnObject *)object;
    const struct spawn *s = &self->spawn;
    const long until = PyLong_AsLong(argument);

    if (until == -1 && PyErr_Occurred())
        return NULL;
    if (until < STOP_CLONED || until > STOP_EXECED) {
        PyErr_SetString(PyExc_ValueError, "no such stop");
        return NULL;
    }
    switch (drive(self, (struct errand){.until = (enum spawn_stop)until})) {
    case SPAWN_INTERRUPTED:
        return NULL;
    case SPAWN_FAILED:
        return Py_BuildValue("(iii)", (int)s->failed_step, s->failed_errno, s->killed_by);
    case SPAWN_OK:
        break;
    }
    Py_RETURN_NONE;
}

/* What the system call returned, or -errno; None: the child did not survive it. */
static PyObject *Spawn_attempt(PyObject *object, PyObject *args)
{
    SpawnObject *self = (SpawnObject *)object;
    int trial;
    unsigned long argument = 0;

    if (!PyArg_ParseTuple(args, "i|k:attempt", &trial, &argument))
        return NULL;
    if (trial < 0 || trial >= TRIAL_COUNT) {
        PyErr_SetString(PyExc_ValueError, "no such trial");
        return NULL;
    }
    if (self->spawn.reached != STOP_RELEASED || self->spawn.told) {
        PyErr_SetString(PyExc_RuntimeError, "only a process that holds can try something");
        return NULL;
    }
    switch (drive(self, (struct errand){STOP_NOTHING, (enum spawn_trial)trial, argument})) {
    case SPAWN_INTERRUPTED:
        return NULL;
    case SPAWN_FAILED:
        Py_RETURN_NONE;
    case SPAWN_OK:
        break;
    }
    return PyLong_FromLong(self->spawn.talk->trial_result);
}

static PyObject *Spawn_note(PyObject *object, PyObject *args)
{
    SpawnObject *self = (SpawnObject *)object;
    int step, error;
    long long start, end;

    if (!PyArg_ParseTuple(args, "iLLi:note", &step, &start, &end, &error))
        return NULL;
    if (step < 0 || step >= STEP_COUNT) {
        PyErr_SetString(PyExc_ValueError, "no such step");
        return NULL;
    }
    if (enter(self))
        return NULL;
    spawn_note(&self->spawn, (struct spawn_record){(enum spawn_step)step, error, start, end});
    self->busy = 0;
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
    if (append_log(list, &s->parent_log) || (child_rests && append_log(list, &s->talk->log))) {
        Py_DECREF(list);
        return NULL;
    }
    return list;
}

#define GETTER(name, field)                                                                \
    static PyObject *Spawn_get_##name(PyObject *self, void *unused)                       \
    {                                                                                      \
        (void)unused;                                                                      \
        return PyLong_FromLong(((SpawnObject *)self)->spawn.field);                        \
    }

GETTER(pid, pid)
GETTER(pidfd, pidfd)
GETTER(reached, reached)
GETTER(joining, talk->joining)

static PyMethodDef Spawn_methods[] = {
    {"advance", Spawn_advance, METH_O,
     "advance(stop) -> None or (step, errno, signal): drive the start up to a stop."},
    {"attempt", Spawn_attempt, METH_VARARGS,
     "attempt(trial, argument=0) -> int or None: have the process that holds try something."},
    {"note", Spawn_note, METH_VARARGS,
     "note(step, start_ns, end_ns, errno): record a step that Python did for this start."},
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
    {"joining", Spawn_get_joining, NULL, "Which namespace it was last to enter.", NULL},
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

static PyObject *trials_tuple(void)
{
    PyObject *tuple = PyTuple_New(TRIAL_COUNT);
    for (int i = 0; tuple && i < TRIAL_COUNT; i++) {
        PyObject *item = PyUnicode_FromString(spawn_trials[i]);
        if (!item || PyTuple_SetItem(tuple, i, item))
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* Adds a new reference, which may be NULL with an exception set. */
static int add(PyObject *module, const char *name, PyObject *value)
{
    const int failed = PyModule_AddObjectRef(module, name, value);
    Py_XDECREF(value);
    return failed;
}

static int exec_module(PyObject *module)
{
    const int error = spawn_setup();
    if (error) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return add(module, "Spawn", PyType_FromSpec(&Spawn_spec)) ||
                   add(module, "STEPS", steps_tuple()) || add(module, "TRIALS", trials_tuple())
               ? -1
               : 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)exec_module},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    "_spawn",
    "The native spawner, and system calls that Python does not have.",
    0,
    seeing_methods,
    module_slots,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__spawn(void); /* no header declares it */

PyMODINIT_FUNC PyInit__spawn(void)
{
    return PyModuleDef_Init(&module_def);
}
